//! Owns: the door: who asks is known by the key in the call's metadata, and whether they may ask for this at all is tested before
//! anything of the request is read. What passes has its engine with it, which acts on its behalf and on nobody else's.
//! Never: keeps or logs a key.

use crate::{Peer, acts, status};
use sha2::{Digest as _, Sha256};
use std::{net::IpAddr, sync::Arc};
use tallystick_core::{
    Refusal,
    role::{Act, Actor},
};
use tallystick_engine::{Asker, Engine};
use tonic::{
    Request, Status,
    codegen::http::{HeaderMap, header::AUTHORIZATION, request},
    transport::server::TcpConnectInfo,
};

/// Says who asks when a call has no key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// Nobody: such calls are refused.
    #[default]
    Nobody,
    /// From this machine, whoever develops there: every role.
    Development,
}

/// Lets callers in.
pub(crate) struct Door {
    engine: Engine,
    anonymous: Option<Arc<Asker>>,
}

impl Door {
    pub(crate) fn new(engine: &Engine, anonymous: Anonymous) -> Self {
        let development = || Arc::new(Asker::without_credential(Actor::unbounded(Actor::ANONYMOUS)));
        let anonymous = (anonymous == Anonymous::Development).then(development);
        Self { engine: engine.clone(), anonymous }
    }

    /// Puts the engine that a call asks into its extensions. Calls of others' services need none.
    /// *Errors*: `UNAUTHENTICATED`, `PERMISSION_DENIED`; `UNIMPLEMENTED` for a call of ours that there is not.
    pub(crate) fn admit(&self, call: &mut request::Parts) -> Result<(), Status> {
        let path = call.uri.path();
        if !path.starts_with(acts::OURS) {
            return Ok(());
        }
        let acts = acts::acts(path);
        if acts.is_empty() {
            return Err(Status::unimplemented("there is no such call"));
        }
        let asker = self.asker(call).ok_or_else(|| status::of_refusal(&Refusal::CredentialUnknown))?;
        if !acts.iter().any(|act: &Act| asker.actor().may(*act)) {
            return Err(status::of_refusal(&Refusal::Forbidden { needs: acts::roles(acts) }));
        }
        call.extensions.insert(self.engine.asked_by(&asker));
        Ok(())
    }

    fn asker(&self, call: &request::Parts) -> Option<Arc<Asker>> {
        let is_near = || address(call).is_some_and(|ip| ip.to_canonical().is_loopback());
        match call.headers.contains_key(AUTHORIZATION) {
            false => self.anonymous.clone().filter(|_| is_near()),
            true => {
                let hash = Sha256::digest(key(&call.headers)?);
                self.engine.asker(&hash.into()).filter(|asker| !asker.is_development() || is_near())
            }
        }
    }
}

/// Returns the address of the connection's other end.
fn address(call: &request::Parts) -> Option<IpAddr> {
    let known = call.extensions.get::<Peer>().map(Peer::address);
    let told = || call.extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
    known.or_else(told).map(|address| address.ip())
}

/// Reads the key of a call: one header, `Bearer` and the key.
fn key(headers: &HeaderMap) -> Option<&[u8]> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (given.next(), given.next()) else { return None };
    let (scheme, key) = only.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(key)
}

/// Returns the engine that a call asks. *Errors*: `UNAUTHENTICATED`, for a call that came by another way than the door.
pub(crate) fn asked<T>(request: &Request<T>) -> Result<Engine, Status> {
    let engine = request.extensions().get::<Engine>().cloned();
    engine.ok_or_else(|| status::of_refusal(&Refusal::CredentialUnknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_bearer_and_nothing_else() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            key(&headers).map(<[u8]>::to_vec)
        };
        assert_eq!(read(&["Bearer tsk_a"]), Some(b"tsk_a".to_vec()));
        assert_eq!(read(&["bearer tsk_a"]), Some(b"tsk_a".to_vec()));
        for other in [&["Basic dXNlcg=="][..], &["Bearer"], &["tsk_a"], &[""], &[], &["Bearer a", "Bearer a"]]
        {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
