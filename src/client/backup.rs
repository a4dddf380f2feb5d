//! Owns: the stream of a backup, from a server's operations listener. Never: a file; what the bytes say.

use crate::{
    Client, ClientError,
    admin::{self, admin_client::AdminClient, backup_response::Part},
};
use tonic::Streaming;

/// Bounds a message of a backup.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Is a backup on its way.
#[derive(Debug)]
pub struct BackupStream {
    stream: Streaming<admin::BackupResponse>,
    has_ended: bool,
}

impl Client {
    /// Begins to copy a server's data folder, or what came after the seq of an earlier copy. The client must be one of the
    /// operations listener.
    ///
    /// *Errors*: why the server refuses.
    pub async fn backup(&self, request: admin::BackupRequest) -> Result<BackupStream, ClientError> {
        let mut admin = AdminClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let begun = admin.backup(request).await;
        let stream = begun.map_err(|status| ClientError::from_status(&status))?.into_inner();
        Ok(BackupStream { stream, has_ended: false })
    }
}

impl BackupStream {
    /// Takes the next part; `None` once the server has said that all was sent.
    ///
    /// *Errors*: the stream's; one that ends before that, which is no backup.
    pub async fn next(&mut self) -> Result<Option<Part>, ClientError> {
        let message = self.stream.message().await.map_err(|status| ClientError::from_status(&status))?;
        let Some(message) = message else {
            return match self.has_ended {
                true => Ok(None),
                false => Err(ClientError::lost("the copy ended before it was whole")),
            };
        };
        let part =
            message.part.ok_or_else(|| ClientError::contradiction("a part of a copy has nothing in it"))?;
        self.has_ended |= matches!(part, Part::End(_));
        Ok(Some(part))
    }
}
