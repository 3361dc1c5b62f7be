//! Walking JSON from outside in one pass, building no values.
//!
//! [`walk`] tells an [`Object`] its members one by one, from which it takes what it needs; the rest is skipped. It is
//! lenient where providers differ (a value of another kind than expected says nothing, keys are compared decoded and as
//! bytes) and strict where JSON is (what is no JSON is an error). [`chat`], [`messages`] and [`responses`] say what the
//! answers and events of each dialect mean, as what is [`said`]. Invariant: the depth of calls is that of the shapes
//! asked for, never that of the input.

pub(super) mod chat;
pub(super) mod messages;
mod objects;
mod raw;
pub(super) mod responses;
mod said;
mod walk;

pub(super) use objects::Strange;
pub(super) use raw::{first_text, is_nothing, number_of, value_of};
pub(super) use said::{Choices, Said};
pub(super) use walk::{Member, Object, read, read_list};
