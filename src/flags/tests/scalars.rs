//! What single values mean: shares, lengths of time, moments, hours, sizes, numbers.

use crate::decide::units::{Millis, Percent, UnixMillis};
use crate::flags::scalar;

#[test]
fn shares_are_exact() {
    for (text, hundredths) in [
        ("5%", 500),
        ("5", 500),
        ("0", 0),
        ("0%", 0),
        ("0.0", 0),
        ("0.01%", 1),
        ("33.33%", 3333),
        ("99.99", 9999),
        ("7.50%", 750),
        ("7.5", 750),
        ("100", 10_000),
        ("0.29%", 29),
        ("1.15%", 115),
    ] {
        assert_eq!(scalar::rate(text).map(Percent::hundredths), Ok(hundredths), "{text}");
    }
    for text in [
        "0.5",
        "0.01",
        "100.01%",
        "101",
        "-1",
        "1e1",
        "5.",
        ".5%",
        "05%",
        "+5%",
        "5%%",
        "",
        "%",
        "0.001%",
        "٥%",
        "99999999999999999999%",
    ] {
        assert!(scalar::rate(text).is_err(), "{text}");
    }
}

#[test]
fn lengths_of_time_need_a_unit() {
    for (text, millis) in [
        ("0s", 0),
        ("1500ms", 1500),
        ("30m", 1_800_000),
        ("7d", 604_800_000),
        ("1h30m", 5_400_000),
        ("1m500ms", 60_500),
    ] {
        assert_eq!(scalar::length(text), Ok(Millis(millis)), "{text}");
    }
    for text in ["", "5", "m", "5x", "1.5h", "-1s", "5 m", "05m", "99999999999d", "18446744073709551616ms", "1h30"] {
        assert!(scalar::length(text).is_err(), "{text}");
    }
}

#[test]
fn moments_agree_with_the_calendar() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T12:00:00Z", 951_825_600),
        ("2026-11-23T09:00:00Z", 1_795_424_400),
        ("2026-11-23T11:00+02:00", 1_795_424_400),
        ("2100-03-01T00:00:00Z", 4_107_542_400),
    ] {
        assert_eq!(scalar::moment(text), Ok(UnixMillis(seconds * 1000)), "{text}");
    }
    for text in [
        "2026-11-23",
        "2026-11-23T09:00:00",
        "2026-02-29T00:00Z",
        "2026-13-01T00:00Z",
        "2026-11-23T24:00Z",
        "1969-12-31T00:00Z",
        "1970-01-01T00:00+01:00",
        "x",
    ] {
        assert!(scalar::moment(text).is_err(), "{text}");
    }
}

#[test]
fn hours_are_days_times_and_an_offset() {
    let hours = scalar::hours("mon-fri 09:00-17:00 +02:00").unwrap();
    assert_eq!(hours.days, [true, true, true, true, true, false, false]);
    assert_eq!((hours.from, hours.to, hours.offset), (540, 1020, 120));
    assert_eq!(scalar::hours("Sat-Mon,wed 22:30-06:00").unwrap().days, [true, false, true, false, false, true, true]);
    assert_eq!(scalar::hours("00:00-24:00").unwrap().days, [true; 7]);
    assert_eq!(scalar::hours("09:00-17:00 -05:30").unwrap().offset, -330);
    for text in [
        "",
        "mon",
        "mon 9-17",
        "mon 09:00-09:00",
        "xyz 09:00-17:00",
        "mon 09:00-25:00",
        "mon 09:00-17:00 CET",
        "mon 09:00-17:00 +02:00 x",
    ] {
        assert!(scalar::hours(text).is_err(), "{text}");
    }
}

#[test]
fn sizes_have_a_unit() {
    for (text, bytes) in [("0B", 0), ("64KiB", 65_536), ("8MiB", 8 << 20), ("1kB", 1000), ("2 GiB", 2 << 30)] {
        assert_eq!(scalar::size(text), Ok(bytes), "{text}");
    }
}

#[test]
fn plain_numbers_are_decimals_within_bounds() {
    for (text, number) in [("1", 1.0), ("1.25", 1.25), ("100", 100.0), ("99.999", 99.999), ("2.50", 2.5)] {
        assert_eq!(scalar::number(text, 1.0, 100.0), Ok(number), "{text}");
    }
    for text in ["0.99", "100.01", "-2", "1e1", ".5", "2.", "+2", "02", "", "2 ", "NaN", "inf", "1,5", "1.5x", "150%"] {
        assert!(scalar::number(text, 1.0, 100.0).is_err(), "{text}");
    }
    let remedy = |text: &str, least, most| scalar::number(text, least, most).unwrap_err().remedy;
    assert_eq!(remedy("125%", 1.0, 100.0), "write `1.25`");
    assert_eq!(remedy("99.9 %", 0.5, 0.999), "write `0.999`");
    assert_eq!(remedy("10%", 0.5, 0.999), "write a number from 0.5 to 0.999");
    assert_eq!([1.0, 0.95, 100.0].map(|number| scalar::show_number(number).to_string()), ["1", "0.95", "100"]);
}
