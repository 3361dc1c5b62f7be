//! The price list that `--prices` names: read, and compared for both arms of every rollout.
//!
//! A file that cannot be read, is too large or is no such list is an error of usage with its place and a remedy. Only
//! what models take and can do is read of it, and no price.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::cli::Failure;
use crate::decide::policy::Policy;
use crate::decide::probe::abilities::{ModelPair, pairs as pairs_of};
use crate::wire::price_list::{NoPriceList, PriceList};

/// The largest file that is read. LiteLLM's has four million bytes.
const LARGEST: u64 = 64 * 1024 * 1024;
const REMEDY: &str = "give a price list in LiteLLM's form: an object with an entry for each model, such as {\"gpt-4o\": \
                      {\"max_input_tokens\": 128000, \"supports_vision\": true}}";

/// Every model of both arms, by the list.
pub(super) fn pairs(file: &Path, policy: &Policy) -> Result<Vec<ModelPair>, Failure> {
    let shown = file.display();
    let failed = |message: String| Failure::usage(message);
    let cannot = |error: std::io::Error| failed(format!("--prices: {shown} cannot be read: {error}; {REMEDY}"));
    let mut text = Vec::new();
    File::open(file).map_err(cannot)?.take(LARGEST + 1).read_to_end(&mut text).map_err(cannot)?;
    if text.len() as u64 > LARGEST {
        return Err(failed(format!("--prices: {shown} has more than {LARGEST} bytes; {REMEDY}")));
    }
    let list = PriceList::read(&text).map_err(|error| match error {
        NoPriceList::NotJson { line, column, problem } => {
            failed(format!("--prices: {shown}:{line}:{column}: not JSON: {problem}; {REMEDY}"))
        }
        NoPriceList::NoModels => failed(format!("--prices: {shown}: there is no model in it; {REMEDY}")),
    })?;
    Ok(pairs_of(policy, &list))
}
