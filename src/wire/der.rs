//! DER (X.690), as far as a certificate has to be looked into: one element, and what follows it.
//!
//! Owns the reading of tags and lengths. Refuses tags of more than one byte and lengths that DER does not allow, since
//! no certificate that TLS has accepted has them where it is looked for. Invariant: what is returned lies within what
//! was given, whatever that is.

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
}

/// The first element and what follows it; `None`: there is none.
pub(super) fn read(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (
                digits.iter().try_fold(0_usize, |sum, digit| sum.checked_mul(256)?.checked_add(usize::from(*digit)))?,
                rest,
            )
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    (tag & 0x1f != 0x1f).then_some((Element { tag, content }, rest))
}

/// The content of the first element, which has to have this tag, and what follows it.
pub(super) fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (element, rest) = read(der)?;
    (element.tag == tag).then_some((element.content, rest))
}

/// The fields of a certificate's signed part from the issuer on: past version, serial number and algorithm.
pub(super) fn from_issuer(certificate: &[u8]) -> Option<&[u8]> {
    const VERSION: u8 = 0xa0;
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (mut fields, _) = expect(certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        fields = read(fields)?.1;
    }
    let (_, rest) = read(fields)?;
    Some(expect(rest, SEQUENCE)?.1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_read_in_both_forms_and_no_others() {
        assert_eq!(read(b"\x02\x01\x07rest"), Some((Element { tag: 2, content: b"\x07" }, &b"rest"[..])));
        let long = [&[0x04, 0x82, 0x01, 0x00][..], &[7; 256], b"x"].concat();
        let (element, rest) = read(&long).unwrap();
        assert_eq!((element.content.len(), rest), (256, &b"x"[..]));
        for wrong in [&b""[..], b"\x02", b"\x02\x02\x07", b"\x02\x80\x07", b"\x04\x85\x01\x01\x01\x01\x01", b"\x1f\x00"]
        {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(der in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some((element, rest)) = read(&der) {
                prop_assert!(element.content.len() + rest.len() < der.len());
            }
            let _ = from_issuer(&der);
        }
    }
}
