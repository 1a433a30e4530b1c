//! Bytes both ways between two connections, as fast as they come.

use std::io;

use rustix::{
    io::Errno,
    pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice},
};
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::TcpStream,
    task::coop::consume_budget,
};

use crate::limits::{Activity, Budget};

const BUFFER_BYTES: usize = 128 << 10;

pub(crate) async fn run(
    client: &mut TcpStream,
    server: &mut TcpStream,
    first: &[u8],
    budget: &Budget,
    activity: &Activity,
) -> io::Result<()> {
    if budget.take(first.len()) < first.len() {
        return Err(io::ErrorKind::QuotaExceeded.into());
    }
    server.write_all(first).await?;
    let up = pump(client, server, budget, activity);
    let down = pump(server, client, budget, activity);
    tokio::try_join!(up, down)?;
    Ok(())
}

async fn pump(from: &TcpStream, to: &TcpStream, budget: &Budget, activity: &Activity) -> io::Result<()> {
    let size: usize = std::env::var("PIPE").ok().and_then(|t| t.parse().ok()).unwrap_or(256 << 10);
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    fcntl_setpipe_size(&writer, size)?;
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    loop {
        consume_budget().await;
        let allowed = budget.take(size);
        if allowed == 0 {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let count = match from.try_io(Interest::READABLE, || Ok(splice(from, None, &writer, None, allowed, flags)?)) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
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
            rustix::net::shutdown(to, rustix::net::Shutdown::Write)?;
            return Ok(());
        }
        activity.touch();
        let mut left = count;
        while left > 0 {
            match to.try_io(Interest::WRITABLE, || Ok(splice(&reader, None, to, None, left, flags)?)) {
                Ok(count) => left -= count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
                Err(error) => return Err(error),
            }
        }
        activity.touch();
    }
}
