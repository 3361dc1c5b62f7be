//! What is kept of names that came over the wire.

use super::*;

#[test]
fn names_from_the_wire_are_bounded() {
    let long = Incompatibility::Parameter("ü".repeat(10_000)).bounded();
    assert_eq!(long.name().chars().count(), LONGEST_NAME + 1);
    assert_eq!(
        Incompatibility::Model("a\n\u{1b}[31mb".into()).bounded(),
        Incompatibility::Model("a \\u001b[31mb".into())
    );
    let exact = Incompatibility::Model("m".repeat(LONGEST_NAME));
    assert_eq!(exact.clone().bounded(), exact);
}
