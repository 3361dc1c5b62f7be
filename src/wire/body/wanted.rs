//! Which fields of a JSON body somebody wants, compiled once into a tree of keys.
//!
//! A peek walks this tree and skips everything else, so its cost does not grow with what a body holds besides.
//! `model` and `user` are always wanted: a request that names either twice is refused wherever its user id is found.
//! So are the ids by which a request goes on from state that some provider keeps.

/// A field of a [`Wanted`]: its place in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field(usize);

pub(super) const ROOT: Field = Field(0);
pub(super) const MODEL: Field = Field(1);
pub(super) const STREAM: Field = Field(2);
pub(super) const SYSTEM: Field = Field(3);
pub(super) const INSTRUCTIONS: Field = Field(4);
pub(super) const MESSAGES: Field = Field(5);
pub(super) const INPUT: Field = Field(6);
pub(super) const PREVIOUS: Field = Field(7);
pub(super) const CONVERSATION: Field = Field(8);
/// What an answer may have of tokens, by whichever name.
pub(super) const MOST_OUTPUT: [Field; 3] = [Field(9), Field(10), Field(11)];

/// What stands at the places above.
const KNOWN: [&str; 12] = [
    "",
    "model",
    "stream",
    "system",
    "instructions",
    "messages",
    "input",
    "previous_response_id",
    "conversation",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
];

/// The fields of a JSON body that a policy reads.
#[derive(Clone, Debug)]
pub struct Wanted {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Node {
    key: String,
    parent: Field,
    children: Vec<Field>,
    /// Whether a second one makes the request ambiguous.
    unique: bool,
}

impl Wanted {
    /// The fields at these paths (each a list of keys from the top), besides `model`, `stream`, `user` and the ids
    /// of state; and what a conversation's opening is read from, when `conversation`.
    #[must_use]
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p [String]>, conversation: bool) -> Wanted {
        let node = |key: &str| Node { key: key.to_owned(), parent: ROOT, children: Vec::new(), unique: false };
        let mut wanted = Wanted { nodes: KNOWN.iter().map(|key| node(key)).collect() };
        wanted.nodes[ROOT.0].children.extend([MODEL, STREAM, PREVIOUS, CONVERSATION]);
        if conversation {
            wanted.nodes[ROOT.0].children.extend([SYSTEM, INSTRUCTIONS, MESSAGES, INPUT]);
        }
        wanted.nodes[MODEL.0].unique = true;
        wanted.add(&["user".to_owned()]);
        for path in paths {
            wanted.add(path);
        }
        wanted
    }

    /// The same, and how many tokens an answer may have.
    #[must_use]
    pub fn with_most_output(mut self) -> Wanted {
        self.nodes[ROOT.0].children.extend(MOST_OUTPUT);
        self
    }

    fn add(&mut self, path: &[String]) {
        let mut at = ROOT;
        for key in path {
            at = match self.child(at, key.as_bytes()) {
                Some(child) => child,
                None => {
                    let child = Field(self.nodes.len());
                    self.nodes.push(Node { key: key.clone(), parent: at, children: Vec::new(), unique: true });
                    self.nodes[at.0].children.push(child);
                    child
                }
            };
            self.nodes[at.0].unique = true;
        }
    }

    /// The wanted field of this key, below another.
    pub(super) fn child(&self, of: Field, key: &[u8]) -> Option<Field> {
        self.nodes[of.0].children.iter().copied().find(|child| self.nodes[child.0].key.as_bytes() == key)
    }

    /// The wanted field that a form calls so: `user`, `metadata[user_id]`. What a form has no use for is not wanted.
    pub(super) fn of_form(&self, name: &[u8]) -> Option<Field> {
        let mut keys = name.split(|byte| *byte == b'[');
        let first = self.child(ROOT, keys.next()?)?;
        let field = keys.try_fold(first, |at, key| self.child(at, key.strip_suffix(b"]")?))?;
        (field.0 < SYSTEM.0 || field.0 >= KNOWN.len()).then_some(field)
    }

    /// The wanted field at this path.
    pub(super) fn find(&self, path: &[String]) -> Option<Field> {
        let found = path.iter().try_fold(ROOT, |at, key| self.child(at, key.as_bytes()))?;
        (found != ROOT).then_some(found)
    }

    pub(super) fn has_children(&self, field: Field) -> bool {
        !self.nodes[field.0].children.is_empty()
    }

    pub(super) fn is_unique(&self, field: Field) -> bool {
        self.nodes[field.0].unique
    }

    /// The field's path as it is written in flags.yaml: `metadata.user_id`.
    pub(super) fn path(&self, mut field: Field) -> String {
        let mut keys = Vec::new();
        while field != ROOT {
            keys.push(self.nodes[field.0].key.as_str());
            field = self.nodes[field.0].parent;
        }
        keys.reverse();
        keys.join(".")
    }
}
