//! What a provider says of the money of a key's account, in the forms of those who tell it.
//!
//! Owns where each asks for it and how its answer is read. Amounts are for display and for the one question whether
//! there is anything left: nothing is booked by them. Refuses to guess: an answer in another form tells nothing.

use serde_json::Value;

use super::model_list::ListOrigin;
use super::printable::printable_start;

/// Who answers in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalanceForm {
    DeepSeek,
    OpenRouter,
    Moonshot,
}

/// Where the balance is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalancePath {
    /// Below the host.
    AtRoot(&'static str),
    /// Below the `base_url`.
    BelowBase(&'static str),
}

/// What is left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BalanceReading {
    pub left: Vec<Amount>,
    /// What the key has used, where its account has no limit.
    pub used: Option<Amount>,
    /// Whether requests are answered, as far as it says so.
    pub usable: Option<bool>,
}

/// So much of a currency.
#[derive(Clone, Debug, PartialEq)]
pub struct Amount {
    pub value: f64,
    pub currency: String,
}

impl BalanceForm {
    /// By the host, or by what the list of models shows; `None`: this provider is not known to tell it.
    #[must_use]
    pub fn of(host: &str, origin: Option<ListOrigin>) -> Option<BalanceForm> {
        let host = host.to_ascii_lowercase();
        let of_domain =
            |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|sub| sub.ends_with('.'));
        if of_domain("deepseek.com") {
            return Some(BalanceForm::DeepSeek);
        }
        if of_domain("openrouter.ai") {
            return Some(BalanceForm::OpenRouter);
        }
        if of_domain("moonshot.cn") || of_domain("moonshot.ai") {
            return Some(BalanceForm::Moonshot);
        }
        match origin? {
            ListOrigin::DeepSeek => Some(BalanceForm::DeepSeek),
            ListOrigin::OpenRouter => Some(BalanceForm::OpenRouter),
        }
    }

    /// Where to ask.
    #[must_use]
    pub const fn path(self) -> BalancePath {
        match self {
            BalanceForm::DeepSeek => BalancePath::AtRoot("/user/balance"),
            BalanceForm::OpenRouter => BalancePath::BelowBase("/key"),
            BalanceForm::Moonshot => BalancePath::BelowBase("/users/me/balance"),
        }
    }

    /// Reads the body of a success; `None`: it has another form.
    #[must_use]
    pub fn read(self, body: &[u8]) -> Option<BalanceReading> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let reading = match self {
            BalanceForm::DeepSeek => deepseek(&value),
            BalanceForm::OpenRouter => openrouter(value.get("data")?),
            BalanceForm::Moonshot => moonshot(value.get("data")?),
        };
        Some(reading).filter(|reading| *reading != BalanceReading::default())
    }
}

fn deepseek(value: &Value) -> BalanceReading {
    let infos = value.get("balance_infos").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let amounts = infos.iter().take(8).filter_map(|info| {
        let currency = info.get("currency").and_then(Value::as_str).unwrap_or_default();
        Some(Amount { value: number(info.get("total_balance")?)?, currency: printable_start(currency, 8) })
    });
    let usable = value.get("is_available").and_then(Value::as_bool);
    BalanceReading { left: amounts.collect(), used: None, usable }
}

fn openrouter(data: &Value) -> BalanceReading {
    let dollars =
        |name: &str| data.get(name).and_then(number).map(|value| Amount { value, currency: "USD".to_owned() });
    let left: Vec<Amount> = dollars("limit_remaining").into_iter().collect();
    let used = if left.is_empty() { dollars("usage") } else { None };
    BalanceReading { left, used, usable: None }
}

fn moonshot(data: &Value) -> BalanceReading {
    let left = data.get("available_balance").and_then(number);
    let amounts = left.map(|value| Amount { value, currency: String::new() });
    BalanceReading { left: amounts.into_iter().collect(), used: None, usable: None }
}

/// A number, or a text that is one.
fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    number.filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(value: f64, currency: &str) -> Amount {
        Amount { value, currency: currency.to_owned() }
    }

    #[test]
    fn each_form_is_read() {
        let body = br#"{"is_available":true,"balance_infos":[{"currency":"CNY","total_balance":"110.00","granted_balance":"10"}]}"#;
        assert_eq!(
            BalanceForm::DeepSeek.read(body),
            Some(BalanceReading { left: vec![amount(110.0, "CNY")], used: None, usable: Some(true) })
        );
        let limited = br#"{"data":{"label":"sk-or","limit":10,"limit_remaining":2.5,"usage":7.5}}"#;
        assert_eq!(
            BalanceForm::OpenRouter.read(limited),
            Some(BalanceReading { left: vec![amount(2.5, "USD")], used: None, usable: None })
        );
        let unlimited = br#"{"data":{"limit":null,"limit_remaining":null,"usage":7.5}}"#;
        assert_eq!(
            BalanceForm::OpenRouter.read(unlimited),
            Some(BalanceReading { left: vec![], used: Some(amount(7.5, "USD")), usable: None })
        );
        let moonshot = br#"{"code":0,"data":{"available_balance":49.5,"cash_balance":-3}}"#;
        assert_eq!(BalanceForm::Moonshot.read(moonshot).unwrap().left, [amount(49.5, "")]);
    }

    #[test]
    fn another_form_tells_nothing() {
        for body in
            [&b""[..], b"<html>", b"{}", b"[]", b"{\"data\":7}", br#"{"balance_infos":[{"total_balance":"NaN"}]}"#]
        {
            for form in [BalanceForm::DeepSeek, BalanceForm::OpenRouter, BalanceForm::Moonshot] {
                assert_eq!(form.read(body), None, "{form:?} {body:?}");
            }
        }
    }

    #[test]
    fn only_those_who_tell_it_are_asked() {
        for (host, origin, form) in [
            ("api.deepseek.com", None, Some(BalanceForm::DeepSeek)),
            ("OpenRouter.ai", None, Some(BalanceForm::OpenRouter)),
            ("api.moonshot.cn", None, Some(BalanceForm::Moonshot)),
            ("notdeepseek.com", None, None),
            ("api.openai.com", None, None),
            ("10.0.0.1", Some(ListOrigin::DeepSeek), Some(BalanceForm::DeepSeek)),
        ] {
            assert_eq!(BalanceForm::of(host, origin), form, "{host}");
        }
    }
}
