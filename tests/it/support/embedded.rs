//! The provider that the demo has, alone and as the two ends of a rollout.
//!
//! For tests that need answers like any and may ask how many there were; what must fail in its own way, or be looked at
//! byte for byte, is [`scripted`](super::scripted).

use serin::demo::provider::{Behaviour, Provider};

use super::sidecar::{Workspace, two};

/// A running provider that behaves well.
pub(crate) fn embedded(name: &str) -> Provider {
    Provider::start(name, Behaviour::default()).unwrap()
}

/// The providers `oldcorp` and `newcorp`.
pub(crate) struct Two {
    pub(crate) old: Provider,
    pub(crate) new: Provider,
}

impl Two {
    pub(crate) fn start() -> Two {
        Two { old: embedded("oldcorp"), new: embedded("newcorp") }
    }

    /// A file with the rollout `chat` between them, and these lines of it.
    pub(crate) fn flags(&self, rollout: &str) -> String {
        two(&self.old.base_url(), &self.new.base_url(), rollout)
    }

    /// A directory with that file.
    pub(crate) fn workspace(&self, rollout: &str) -> Workspace {
        Workspace::new(&self.flags(rollout))
    }
}
