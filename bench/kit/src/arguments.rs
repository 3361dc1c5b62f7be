//! Arguments of the form `name=value`.

use std::collections::BTreeMap;

/// What was asked for.
pub struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// # Errors
    /// A word is not `name=value`.
    pub fn parse(words: &[String]) -> Result<Arguments, String> {
        let pairs = words.iter().map(|word| {
            let (name, value) = word.split_once('=').ok_or_else(|| format!("{word}: write name=value"))?;
            Ok((name.to_owned(), value.to_owned()))
        });
        pairs.collect::<Result<_, String>>().map(Arguments)
    }

    /// # Errors
    /// It is no number.
    pub fn number(&self, name: &str, default: f64) -> Result<f64, String> {
        let Some(value) = self.0.get(name) else { return Ok(default) };
        value.parse().map_err(|_| format!("{name}={value}: not a number"))
    }

    /// # Errors
    /// It is no whole number.
    pub fn count(&self, name: &str, default: usize) -> Result<usize, String> {
        let Some(value) = self.0.get(name) else { return Ok(default) };
        value.parse().map_err(|_| format!("{name}={value}: not a whole number"))
    }

    /// # Errors
    /// It is missing, or no port.
    pub fn port(&self, name: &str) -> Result<u16, String> {
        let value = self.0.get(name).ok_or_else(|| format!("{name}= is missing"))?;
        value.parse().map_err(|_| format!("{name}={value}: not a port"))
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value == "yes")
    }

    /// Numbers of processes.
    pub fn pids(&self) -> Vec<u32> {
        let list = self.0.get("pids").map_or("", String::as_str);
        list.split(',').filter_map(|pid| pid.parse().ok()).collect()
    }
}
