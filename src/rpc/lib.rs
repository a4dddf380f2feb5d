//! Owns: the gRPC face: a request is decoded, the engine asked, the answer encoded. Every refusal and fault becomes a
//! status in one exhaustive table (`status`), and every field rule that core cannot see is checked in `decode`.
//! Never: the store; a rule about money; an answer before its ticket says that it is durable.

mod accounts;
mod acts;
mod arrival;
mod authorizer;
mod calls;
pub mod command;
mod controls;
mod credentials;
mod currency;
mod deadline;
mod decode;
mod door;
mod encode;
mod front;
mod gate;
mod holds;
mod journey;
mod lookup;
mod meter;
mod payees;
mod peer;
pub mod periods;
mod reply;
mod service;
mod settlements;
mod stall;
mod status;
mod stream;
mod tokens;
mod vault;
mod velocity;

pub use currency::{Registered, registered, text as currency_text};
pub use door::Anonymous;
pub use front::Front;
pub use gate::{Gate, Limits, Usage};
pub use meter::{Meter, Unmetered};
pub use peer::Peer;
pub use reply::Reply;
pub use service::Services;
pub use vault::{NoVault, Vault};
