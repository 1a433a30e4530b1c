//! Bytes both ways between two connections, as fast as they come.

use std::io;

use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    task::coop::consume_budget,
};

use crate::limits::{Activity, Budget};

const BUFFER_BYTES: usize = 128 << 10;

/// Ends when both directions have, or one has failed. The end of one direction is passed on. `first` was read from the
/// client before.
pub(crate) async fn run(
    client: &mut TcpStream,
    server: &mut TcpStream,
    first: &[u8],
    budget: &Budget,
    activity: &Activity,
) -> io::Result<()> {
    let (client_reads, client_writes) = client.split();
    let (server_reads, mut server_writes) = server.split();
    if budget.take(first.len()) < first.len() {
        return Err(io::ErrorKind::QuotaExceeded.into());
    }
    server_writes.write_all(first).await?;
    let up = pump(client_reads, server_writes, budget, activity);
    let down = pump(server_reads, client_writes, budget, activity);
    tokio::try_join!(up, down)?;
    Ok(())
}

async fn pump(from: ReadHalf<'_>, mut to: WriteHalf<'_>, budget: &Budget, activity: &Activity) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
    loop {
        // Streams that are always ready would never let another task run.
        consume_budget().await;
        let allowed = budget.take(buffer.len());
        if allowed == 0 {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let count = match from.try_read(&mut buffer[..allowed]) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // A connection that waits holds nothing back from the others.
                budget.give_back(allowed);
                from.readable().await?;
                continue;
            }
            Err(error) => {
                budget.give_back(allowed);
                return Err(error);
            }
        };
        budget.give_back(allowed - count);
        if count == 0 {
            return to.shutdown().await;
        }
        activity.touch();
        to.write_all(&buffer[..count]).await?;
        activity.touch();
    }
}
