//! The ticket for the change stream: what a page shows there in the place of its token.
//!
//! A browser's `EventSource` sends no header of its own, so the address of the stream carries it. It is a keyed digest
//! of the token: it opens the change stream and nothing else, tells nothing about the token, is good in every process
//! with that token, and ends with it. What the stream tells is only that something changed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use ring::hmac;
use subtle::ConstantTimeEq;

use crate::admin::auth::{implies, presented};
use crate::decide::policy::{Role, Token};

const PURPOSE: &[u8] = b"serin: change stream of flags";

/// What opens the change stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::admin) struct Ticket(String);

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ticket {
    fn of(token: &Token) -> Ticket {
        let key = hmac::Key::new(hmac::HMAC_SHA256, token.token.reveal().as_bytes());
        Ticket(URL_SAFE_NO_PAD.encode(hmac::sign(&key, PURPOSE)))
    }

    /// The ticket of the token that this request shows.
    pub(in crate::admin) fn of_token(head: &Parts, tokens: &[Token]) -> Option<Ticket> {
        let shown = presented(head)?;
        let is_shown = |token: &&Token| bool::from(token.token.reveal().as_bytes().ct_eq(shown.as_bytes()));
        tokens.iter().find(is_shown).map(Ticket::of)
    }

    /// The ticket in this request's query, else that of its token.
    pub(in crate::admin) fn of_request(head: &Parts, tokens: &[Token]) -> Option<Ticket> {
        let query = head.uri.query().unwrap_or_default();
        let given = query.split('&').find_map(|pair| pair.strip_prefix("ticket="));
        given.map(|given| Ticket(given.to_owned())).or_else(|| Ticket::of_token(head, tokens))
    }

    /// Whether it is that of a token that allows flags.
    pub(in crate::admin) fn is_good(&self, tokens: &[Token]) -> bool {
        let allows = |token: &&Token| token.may.iter().any(|held| implies(*held, Role::Flags));
        // All are compared, so that the time tells nothing about which came close.
        tokens
            .iter()
            .filter(allows)
            .fold(false, |good, token| good | bool::from(Ticket::of(token).0.as_bytes().ct_eq(self.0.as_bytes())))
    }
}
