//! A small name server on loopback, over UDP and TCP.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, RecordType, rdata::CNAME},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};

/// What the server makes of a question for a name and type.
pub(super) enum Answer {
    Records(Vec<Record>),
    Code(ResponseCode),
    /// Over UDP only that TCP would have more; over TCP the records.
    Truncated(Vec<Record>),
    /// Nothing at all.
    Silence,
}

type Zone = Arc<dyn Fn(&str, RecordType) -> Answer + Send + Sync>;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
}

impl Server {
    /// Serves until the test's runtime ends.
    pub(super) async fn start(zone: impl Fn(&str, RecordType) -> Answer + Send + Sync + 'static) -> Self {
        let (udp, tcp) = sockets().await;
        let address = tcp.local_addr().unwrap();
        let zone: Zone = Arc::new(zone);
        let asked: Arc<Mutex<Vec<_>>> = Arc::default();
        let (tcp_zone, tcp_asked) = (Arc::clone(&zone), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&tcp_zone), Arc::clone(&tcp_asked)));
            }
        });
        let udp_asked = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut question = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut question).await {
                if let Some(answer) = answer(&question[..length], &zone, &udp_asked, true) {
                    let _ = udp.send_to(&answer, from).await;
                }
            }
        });
        Self { address, asked }
    }

    /// The questions so far, in order of their names.
    pub(super) fn asked(&self) -> Vec<(String, RecordType)> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked
    }
}

/// Both on one port: the other half of a port may be taken by somebody else.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        match UdpSocket::bind(tcp.local_addr().unwrap()).await {
            Ok(udp) => return (udp, tcp),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn serve(mut stream: TcpStream, zone: Zone, asked: Arc<Mutex<Vec<(String, RecordType)>>>) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await.unwrap();
        if let Some(answer) = answer(&question, &zone, &asked, false) {
            stream.write_u16(answer.len() as u16).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    }
}

fn answer(question: &[u8], zone: &Zone, asked: &Mutex<Vec<(String, RecordType)>>, udp: bool) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).unwrap();
    let query = &question.queries[0];
    let name = query.name().to_string();
    asked.lock().unwrap().push((name.clone(), query.query_type()));
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.metadata.recursion_desired = true;
    message.metadata.recursion_available = true;
    message.add_query(query.clone());
    match zone(&name, query.query_type()) {
        Answer::Silence => return None,
        Answer::Code(code) => message.metadata.response_code = code,
        Answer::Truncated(_) if udp => message.metadata.truncation = true,
        Answer::Truncated(records) | Answer::Records(records) => {
            message.add_answers(records);
        }
    }
    Some(message.to_vec().unwrap())
}

/// `name ttl data`, with data an address or a name.
pub(super) fn record(name: &str, ttl: u32, data: &str) -> Record {
    let data = match data.parse::<IpAddr>() {
        Ok(address) => RData::from(address),
        Err(_) => RData::CNAME(CNAME(data.parse().unwrap())),
    };
    Record::from_rdata(name.parse().unwrap(), ttl, data)
}
