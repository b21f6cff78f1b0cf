//! A connection over a long line: what is sent arrives later, in order, and no less of it.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::net::TcpStream;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep, sleep_until};

/// Most that is under way in one direction before the sender waits, bytes.
const WINDOW: usize = 1 << 20;

/// Puts a line of this round trip before a connection. Its own handshake took a round trip as well.
pub async fn delayed(stream: TcpStream, round_trip: Duration) -> DuplexStream {
    sleep(round_trip).await;
    let (near, far) = duplex(WINDOW);
    let (from_client, to_client) = stream.into_split();
    let (from_server, to_server) = split(far);
    tokio::spawn(carry(from_client, to_server, round_trip / 2));
    tokio::spawn(carry(from_server, to_client, round_trip / 2));
    near
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin + Send + 'static, delay: Duration) {
    let (sender, mut receiver) = unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((at, bytes)) = receiver.recv().await {
            sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    });
    let mut buffer = vec![0; 32 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let bytes = buffer.get(..count).unwrap_or_default().to_vec();
        if sender.send((Instant::now() + delay, bytes)).is_err() {
            return;
        }
    }
}
