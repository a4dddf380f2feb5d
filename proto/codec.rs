//! Owns: how a message that is not valid protobuf is answered. Never: looks at what a message says.

use crate::v1::{AuthorizeStreamRequest, AuthorizeStreamResponse};
use prost::Message;
use std::{any::TypeId, marker::PhantomData};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// Is what a call with one message each way begins with; more is taken when it is needed. Tonic's own 8 KiB, twice a call,
/// cost a fresh page now and then.
const SINGLE_BYTES: usize = 512;
/// Is the same for the stream of debits, and when what was gathered is sent: about a frame of HTTP/2.
const STREAM_BYTES: usize = 16 << 10;

fn buffers<T: 'static>() -> BufferSettings {
    let message = TypeId::of::<T>();
    let streams =
        [TypeId::of::<AuthorizeStreamRequest>(), TypeId::of::<AuthorizeStreamResponse>()].contains(&message);
    BufferSettings::new(if streams { STREAM_BYTES } else { SINGLE_BYTES }, STREAM_BYTES)
}

/// Encodes and decodes as prost does, and answers bytes that are no message with `INVALID_ARGUMENT`.
///
/// Tonic's own codec answers them with `INTERNAL`, which tells a caller that we are broken when the request is;
/// prost's text names the message and the field (a key that is not UTF-8, say), and is passed on.
#[derive(Debug)]
pub struct StrictCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for StrictCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for StrictCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = StrictEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        StrictEncoder(ProstCodec::<T, U>::default().encoder())
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(ProstCodec::<T, U>::default().decoder())
    }
}

/// Encodes one message.
#[derive(Debug)]
pub struct StrictEncoder<T>(ProstEncoder<T>);

impl<T: Message + 'static> Encoder for StrictEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        self.0.encode(item, buf)
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers::<T>()
    }
}

/// Decodes one message, or says which field of it is not valid.
#[derive(Debug)]
pub struct StrictDecoder<U>(ProstDecoder<U>);

impl<U: Message + Default + Send + 'static> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        self.0.decode(buf).map_err(|status| Status::invalid_argument(status.message()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers::<U>()
    }
}
