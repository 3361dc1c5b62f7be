//! The bucket of a user: a fixed function of salt and user id, the same in every version and every process.
//!
//! MD5(salt + id) is read as a 128-bit big-endian integer, mod 10000. Without a salt that is exactly
//! `int(hashlib.md5(id.encode()).hexdigest(), 16) % 10000` in Python, so a team that already splits in its application
//! keeps its cohorts. The modulus never changes. Other bits of the same hash give the user's slot, so a request is
//! hashed once and users who share a slot are spread over both arms like all others. MD5 is used to spread users; it
//! protects nothing.

use md5::{Digest, Md5};

use super::units::{Bucket, Slot};
use crate::wire::opening::Opening;

const BUCKETS: u16 = 10_000;

/// What is read from one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketAndSlot {
    /// Which arm it is on follows from this.
    pub bucket: Bucket,
    /// Says nothing about the bucket, nor the bucket about this.
    pub slot: Slot,
}

/// The bucket of a user id, taken as the bytes that were sent: nothing is trimmed, folded or normalised.
#[must_use]
pub fn bucket(salt: &str, user: &[u8]) -> Bucket {
    bucket_and_slot(salt, user).bucket
}

/// Bucket and slot of a user id.
#[must_use]
pub fn bucket_and_slot(salt: &str, user: &[u8]) -> BucketAndSlot {
    of_parts([salt.as_bytes(), user])
}

/// Those of a conversation without a user id: MD5(salt + first system message + first user message), each the JSON text
/// that was sent.
#[must_use]
pub fn bucket_and_slot_of_conversation(salt: &str, opening: &Opening<'_>) -> BucketAndSlot {
    of_parts([salt.as_bytes(), opening.system.unwrap_or_default().as_bytes(), opening.user.as_bytes()])
}

/// A bucket drawn by chance: any number, folded into the range.
#[must_use]
pub const fn random_bucket(number: u16) -> Bucket {
    Bucket(number % BUCKETS)
}

fn of_parts<const N: usize>(parts: [&[u8]; N]) -> BucketAndSlot {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    let number = u128::from_be_bytes(hash.finalize().into());
    // The remainder is below 10000, hence the last two bytes hold all of it.
    let [.., high, low] = (number % u128::from(BUCKETS)).to_be_bytes();
    // The lowest bits decide much of the remainder; those from the 64th on say nothing about it.
    let [.., first, second] = (number >> 64).to_be_bytes();
    BucketAndSlot {
        bucket: Bucket(u16::from_be_bytes([high, low])),
        slot: Slot::of(u16::from_be_bytes([first, second])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::units::Percent;
    use proptest::prelude::*;

    #[test]
    fn a_known_user_falls_where_python_says() {
        assert_eq!(bucket("", b"user-123"), Bucket(3128));
    }

    #[test]
    fn a_salt_is_put_before_the_id() {
        assert_eq!(bucket("user-", b"123"), bucket("", b"user-123"));
    }

    #[test]
    fn a_conversation_is_its_system_and_user_message_in_a_row() {
        let opening = Opening { system: Some("\"be brief\""), user: "{\"role\":\"user\"}" };
        assert_eq!(
            bucket_and_slot_of_conversation("s", &opening),
            bucket_and_slot("s", b"\"be brief\"{\"role\":\"user\"}")
        );
        let opening = Opening { system: None, user: "\"hi\"" };
        assert_eq!(bucket_and_slot_of_conversation("", &opening), bucket_and_slot("", b"\"hi\""));
    }

    #[test]
    fn a_draw_is_folded_into_the_range() {
        assert_eq!(
            (random_bucket(9_999), random_bucket(10_000), random_bucket(u16::MAX)),
            (Bucket(9_999), Bucket(0), Bucket(5_535))
        );
    }

    #[test]
    fn ids_spread_evenly() {
        let canary = (0..20_000).filter(|n| bucket("", format!("user-{n}").as_bytes()).0 < 1_000).count();
        assert_eq!(canary, 1_952, "of 20000 ids at 10%");
    }

    #[test]
    fn a_slot_is_read_from_the_middle_of_the_hash() {
        // Its hash begins with bc17c97c3d897d43; 0x7d43 without its upper three bits is 0x1d43.
        assert_eq!(bucket_and_slot("", b"user-123").slot.index(), 0x1d43);
    }

    #[test]
    fn slots_say_nothing_about_buckets() {
        let places: Vec<_> = (0..200_000).map(|n| bucket_and_slot("", format!("user-{n}").as_bytes())).collect();
        let mut all = vec![0_u32; Slot::COUNT];
        places.iter().for_each(|place| all[place.slot.index()] += 1);
        assert!(all.iter().all(|users| (4..60).contains(users)), "24 on average");
        // Over any part of the slots the canary has its share.
        for part in 0..16 {
            let there: Vec<_> = places.iter().filter(|place| place.slot.index() % 16 == part).collect();
            let share = there.iter().filter(|place| place.bucket.0 < 1_000).count() * 1000 / there.len();
            assert!((93..=107).contains(&share), "{share} in 1000 at 10%");
        }
    }

    proptest! {
        #[test]
        fn every_id_has_one_bucket_in_range(salt: String, user: Vec<u8>) {
            let found = bucket(&salt, &user);
            prop_assert!(found.0 < 10_000);
            prop_assert_eq!(found, bucket(&salt, &user));
        }

        #[test]
        fn raising_the_share_only_moves_users_to_the_canary(user: Vec<u8>, low in 0u16..=10_000, high in 0u16..=10_000) {
            let (low, high) = (low.min(high), low.max(high));
            let (low, high) = (Percent::from_hundredths(low).unwrap(), Percent::from_hundredths(high).unwrap());
            let found = bucket("", &user);
            prop_assert!(!found.is_below(low) || found.is_below(high));
            prop_assert!(found.is_below(Percent::ALL) && !found.is_below(Percent::ZERO));
        }
    }
}
