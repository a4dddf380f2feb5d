//! Owns: how many connections are open, of all and of each address, and whether one more is let in.
//! Never: a socket. What one address has open is known only as long as it has something open.

use super::{counts::Why, open_files};
use crate::config::Network;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
};
use tallystick_rpc::Peer;

/// Is the part of an IPv6 address that one customer of a provider has to himself.
const CUSTOMER: u128 = !0 << 64;

/// Counts connections.
#[derive(Debug, Clone)]
pub(crate) struct Doors(Arc<Hallway>);

#[derive(Debug)]
struct Hallway {
    most: usize,
    most_of_address: usize,
    // LOCK: held when a connection comes or goes; never for a message.
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    count: usize,
    addresses: BTreeMap<IpAddr, Address>,
}

#[derive(Debug, Default)]
struct Address {
    connections: usize,
    calls: Arc<AtomicUsize>,
}

/// Is one connection's place, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Place {
    hallway: Arc<Hallway>,
    address: IpAddr,
}

impl Doors {
    /// Opens them as wide as the configuration says, or as the system's limit on open files allows.
    pub(crate) fn new(network: &Network) -> Self {
        let most = open_files::connections(network.connections_max);
        // Fewer for all are fewer for each.
        let share = network.connections_per_address_max.saturating_mul(most) / network.connections_max.max(1);
        Self::of(most, share.max(1))
    }

    /// Opens them this wide.
    pub(crate) fn of(most: usize, most_of_address: usize) -> Self {
        Self(Arc::new(Hallway { most, most_of_address, open: Mutex::default() }))
    }

    /// Returns how many are open, and how many may be.
    pub(crate) fn usage(&self) -> (usize, usize) {
        (self.0.locked().count, self.0.most)
    }

    /// Lets a connection in. *Errors*: why not.
    pub(super) fn enter(&self, from: SocketAddr) -> Result<(Place, Peer), Why> {
        let address = whose(from.ip());
        let mut open = self.0.locked();
        if open.count >= self.0.most {
            return Err(Why::Full);
        }
        let of_address = open.addresses.entry(address).or_default();
        // One that was just made has none open, and one is always allowed.
        if of_address.connections >= self.0.most_of_address {
            return Err(Why::AddressFull);
        }
        of_address.connections += 1;
        let calls = Arc::clone(&of_address.calls);
        open.count += 1;
        Ok((Place { hallway: Arc::clone(&self.0), address }, Peer::new(from, calls)))
    }
}

impl Hallway {
    fn locked(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.hallway.locked();
        open.count -= 1;
        if let Some(of_address) = open.addresses.get_mut(&self.address) {
            of_address.connections -= 1;
            if of_address.connections == 0 {
                open.addresses.remove(&self.address);
            }
        }
    }
}

/// Returns what stands for everybody who can choose this address.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & CUSTOMER)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_and_places_come_back() {
        let doors = Doors::of(5, 3);
        let enter = |from: &str| doors.enter(from.parse().unwrap()).map(|(place, _)| place);
        let one: Vec<Place> = (1..=3).map(|port| enter(&format!("10.0.0.1:{port}")).unwrap()).collect();
        assert_eq!(enter("10.0.0.1:4").unwrap_err(), Why::AddressFull);
        assert_eq!(enter("[::ffff:10.0.0.1]:4").unwrap_err(), Why::AddressFull, "the same address");
        let other = (enter("[2001:db8::1]:1").unwrap(), enter("[2001:db8::ffff:2]:1").unwrap());
        assert_eq!(enter("10.0.0.2:1").unwrap_err(), Why::Full);
        assert_eq!(doors.usage(), (5, 5));
        assert_eq!(doors.0.locked().addresses.len(), 2, "a /64 is one, and a refusal leaves nothing");
        drop((one, other));
        assert_eq!(doors.usage(), (0, 5));
        assert!(doors.0.locked().addresses.is_empty());
    }
}
