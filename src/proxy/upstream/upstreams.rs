//! Connections to providers: found, made, pooled and given back, per core.
//!
//! [`Upstreams`] maps a provider to a pool by what identifies a connection (scheme, host,
//! port, TLS files, HTTP version, egress proxy), so a reload that changes none of these keeps every connection, and one
//! that changes any of them leaves the old ones to their last requests. Refuses to decide where a request goes, to
//! retry, and to count. Invariant: nothing here is shared between cores but the system's root certificates.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::egress::Environment;
use super::pool::Pool;
use super::pool_key::PoolKey;
use super::response_source::ResponseSource;
use super::tls;
use crate::decide::cause::NoConnection;
use crate::decide::policy::{Http2, Policy, Provider, Secret};

/// One core's connections to all providers.
#[derive(Debug)]
pub(crate) struct Upstreams {
    cores: usize,
    environment: Environment,
    known: RefCell<Vec<Rc<Known>>>,
    pools: RefCell<Vec<Rc<Pool>>>,
}

/// The pools of one provider of a policy. Pointers are compared to find them again.
#[derive(Debug)]
struct Known {
    provider: Arc<Provider>,
    egress: Option<String>,
    pool: Rc<Pool>,
    /// For requests that ask for an upgrade, which HTTP/2 cannot carry.
    upgrades: Rc<Pool>,
}

impl Known {
    fn uses(&self, pool: &Rc<Pool>) -> bool {
        Rc::ptr_eq(pool, &self.pool) || Rc::ptr_eq(pool, &self.upgrades)
    }
}

impl Upstreams {
    /// Empty, for one of so many cores.
    pub(crate) fn new(cores: usize) -> Rc<Upstreams> {
        Upstreams::with_environment(cores, Environment::get().clone())
    }

    pub(super) fn with_environment(cores: usize, environment: Environment) -> Rc<Upstreams> {
        Rc::new(Upstreams { cores: cores.max(1), environment, known: RefCell::default(), pools: RefCell::default() })
    }

    /// A connection to the provider, pooled or new. Waits in the queue for this core's share of `max_connections`, for
    /// `timeouts.connect` at most.
    pub(crate) async fn acquire(
        &self,
        provider: &Arc<Provider>,
        egress: Option<&str>,
    ) -> Result<ResponseSource, NoConnection> {
        let known = self.known(provider, egress)?;
        match known.pool.acquire(provider).await {
            Err(NoConnection::NoSocket { .. }) if self.close_idle().await => {
                Box::pin(known.pool.connect(provider)).await
            }
            connection => connection,
        }
    }

    /// A connection that cannot be stale, for the one retry after a stale one.
    pub(crate) async fn connect(
        &self,
        provider: &Arc<Provider>,
        egress: Option<&str>,
    ) -> Result<ResponseSource, NoConnection> {
        let known = self.known(provider, egress)?;
        match Box::pin(known.pool.connect(provider)).await {
            Err(NoConnection::NoSocket { .. }) if self.close_idle().await => {
                Box::pin(known.pool.connect(provider)).await
            }
            connection => connection,
        }
    }

    /// Closes unused connections to all providers. Returns whether there were any.
    async fn close_idle(&self) -> bool {
        let closed: usize = self.pools.borrow().iter().map(|pool| pool.close_idle()).sum();
        // The tasks that hold the sockets end now.
        tokio::task::yield_now().await;
        closed > 0
    }

    /// A connection for a request that asks for an upgrade: HTTP/1.1 whatever `http2:` says. Pooled unless `fresh`.
    pub(crate) async fn for_upgrade(
        &self,
        provider: &Arc<Provider>,
        egress: Option<&str>,
        fresh: bool,
    ) -> Result<ResponseSource, NoConnection> {
        let known = self.known(provider, egress)?;
        if fresh { Box::pin(known.upgrades.connect(provider)).await } else { known.upgrades.acquire(provider).await }
    }

    /// Why there was no connection in time.
    pub(crate) fn timed_out(&self, provider: &Arc<Provider>, egress: Option<&str>) -> NoConnection {
        match self.known(provider, egress) {
            Ok(known) => known.pool.timed_out(),
            Err(error) => error,
        }
    }

    /// A new policy is in force: pools that none of its providers uses are closed, each once its last request has
    /// ended.
    pub(crate) fn retain(&self, policy: &Policy) {
        self.known.borrow_mut().retain(|known| policy.providers.iter().any(|kept| Arc::ptr_eq(kept, &known.provider)));
        if policy.providers.iter().any(|provider| provider.base_url.https) {
            // Before a request has to wait for it.
            tls::system_roots();
        }
        let mut wanted = Vec::new();
        for provider in &policy.providers {
            if let Ok(known) = self.known(provider, policy.egress.as_ref().map(Secret::reveal)) {
                known.pool.resize(self.share(provider));
                wanted.push(known);
            }
        }
        self.pools.borrow_mut().retain(|pool| {
            let users: Vec<_> = wanted.iter().filter(|known| known.uses(pool)).collect();
            if users.is_empty() {
                pool.retire();
            } else {
                // Providers that share connections share the shortest age.
                pool.renew_after(users.iter().filter_map(|known| known.provider.max_connection_age).min());
            }
            !users.is_empty()
        });
    }

    /// Unused connections of all pools.
    #[cfg(test)]
    pub(super) fn idle_count(&self) -> usize {
        self.pools.borrow().iter().map(|pool| pool.idle_count()).sum()
    }

    fn share(&self, provider: &Provider) -> usize {
        usize::try_from(provider.max_connections).unwrap_or(usize::MAX) / self.cores
    }

    fn known(&self, provider: &Arc<Provider>, egress: Option<&str>) -> Result<Rc<Known>, NoConnection> {
        let found = |known: &&Rc<Known>| Arc::ptr_eq(&known.provider, provider) && known.egress.as_deref() == egress;
        if let Some(known) = self.known.borrow().iter().find(found) {
            return Ok(Rc::clone(known));
        }
        let url = &provider.base_url;
        let proxy = self
            .environment
            .choose(egress, url.https, &url.host, url.port)
            .map_err(|problem| NoConnection::Egress { problem })?;
        let pool = self.pool(provider, PoolKey::of(provider, provider.http2, proxy.clone()));
        let upgrades = match provider.http2 {
            Http2::Never => Rc::clone(&pool),
            Http2::Auto if !url.https => Rc::clone(&pool),
            Http2::Auto | Http2::PriorKnowledge => self.pool(provider, PoolKey::of(provider, Http2::Never, proxy)),
        };
        let known =
            Rc::new(Known { provider: Arc::clone(provider), egress: egress.map(str::to_owned), pool, upgrades });
        self.known.borrow_mut().push(Rc::clone(&known));
        Ok(known)
    }

    fn pool(&self, provider: &Provider, key: PoolKey) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.iter().find(|pool| *pool.key() == key) {
            return Rc::clone(pool);
        }
        let pool = Pool::new(key, &provider.base_url.authority(), self.share(provider), provider.max_connection_age);
        pools.push(Rc::clone(&pool));
        pool
    }
}

impl Drop for Upstreams {
    fn drop(&mut self) {
        for pool in self.pools.borrow().iter() {
            pool.retire();
        }
    }
}
