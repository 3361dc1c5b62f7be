//! A flag that the application reads: its variants, and who is served which.
//!
//! Owns the shapes. Invariant: every [`VariantId`] is an index into its flag's variants, every value is of the flag's
//! type, and the shares of a split sum to 100%.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::decide::units::{Percent, RolloutId, UnixMillis};

/// Which variant of a flag: its index in [`Flag::variants`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariantId(pub u16);

/// A flag that the application reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Flag {
    /// The type of every variant's value.
    pub flag_type: FlagType,
    /// In the file's order; never empty.
    pub variants: Vec<Variant>,
    /// Tried in order: the first whose condition holds serves.
    pub rules: Vec<FlagRule>,
    /// Served where no rule's condition holds.
    pub otherwise: Serve,
    /// Served while the flag is off, and before `from` and from `until` on.
    pub off_variant: VariantId,
    /// Whether the file turns it off.
    pub off: bool,
    /// The moment at which it begins.
    pub from: Option<UnixMillis>,
    /// The moment at which it ends.
    pub until: Option<UnixMillis>,
    /// Put before the targeting key when a split hashes it.
    pub salt: String,
}

impl Flag {
    /// The variant behind an id of this flag.
    #[must_use]
    pub fn variant(&self, id: VariantId) -> &Variant {
        &self.variants[usize::from(id.0)]
    }

    /// The rollout that it follows.
    #[must_use]
    pub fn follows(&self) -> Option<RolloutId> {
        match self.otherwise {
            Serve::Follow { rollout, .. } => Some(rollout),
            Serve::Variant(_) | Serve::Split(_) => None,
        }
    }
}

/// The type of a flag's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagType {
    Boolean,
    String,
    Integer,
    Float,
    Object,
}

impl FlagType {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FlagType::Boolean => "boolean",
            FlagType::String => "string",
            FlagType::Integer => "integer",
            FlagType::Float => "float",
            FlagType::Object => "object",
        }
    }
}

/// A value with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub name: String,
    pub value: FlagValue,
}

/// What the application gets.
#[derive(Clone, Debug, PartialEq)]
pub enum FlagValue {
    Boolean(bool),
    String(String),
    Integer(i64),
    Float(f64),
    /// A map or a list.
    Object(Value),
}

/// A whole float keeps its point (`1.0`): clients tell the two kinds of number apart by it.
impl Serialize for FlagValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            FlagValue::Boolean(value) => value.serialize(serializer),
            FlagValue::String(value) => value.serialize(serializer),
            FlagValue::Integer(value) => value.serialize(serializer),
            FlagValue::Float(value) => value.serialize(serializer),
            FlagValue::Object(value) => value.serialize(serializer),
        }
    }
}

/// A rule of a flag.
#[derive(Clone, Debug, PartialEq)]
pub struct FlagRule {
    /// `None`: it always holds.
    pub condition: Option<Condition>,
    /// What it serves.
    pub serve: Serve,
}

/// What is served to whoever gets here.
#[derive(Clone, Debug, PartialEq)]
pub enum Serve {
    /// The same variant for all users.
    Variant(VariantId),
    /// By the bucket of the targeting key: the first whose upper end lies above it. The last one's is 100%.
    Split(Vec<(Percent, VariantId)>),
    /// By the arm that the rollout has for the user.
    Follow {
        /// Which rollout; it has a canary.
        rollout: RolloutId,
        /// For its users on the canary.
        canary: VariantId,
        /// For all others.
        stable: VariantId,
    },
}

/// What must be true of a context.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// An attribute that is there and passes every one of these.
    Attribute {
        /// Its name, or names with dots between them for one inside of an object.
        name: String,
        /// At least one.
        comparisons: Vec<Comparison>,
    },
}

/// What an attribute is compared with. One of another type fails.
#[derive(Clone, Debug, PartialEq)]
pub enum Comparison {
    /// Equal to one of these.
    In(Vec<Scalar>),
    /// A text that begins with one of these.
    StartsWith(Vec<String>),
    /// A text that ends with one of these.
    EndsWith(Vec<String>),
    Below(f64),
    AtMost(f64),
    Above(f64),
    AtLeast(f64),
    /// A moment earlier than this.
    Before(UnixMillis),
    /// A moment later than this.
    After(UnixMillis),
}

/// A single value of the file that attributes are compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Text(String),
    Number(f64),
    Boolean(bool),
}

/// What the application says about the user: attributes by name, `targetingKey` among them.
pub type Attributes = Map<String, Value>;
