//! More packets at once than user space takes: each is read or counted as lost, and none is lost where there is room
//! for all of them.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use odp::{Dispatch, UpcallOptions, UpcallReader};
use testbed::Namespace;

use crate::lab::Lab;

/// Packets of each sender.
const PACKETS: u64 = 4000;
const SENDERS: u16 = 3;

/// So little that packets are lost for certain, in bytes.
const LITTLE: usize = 16 << 10;
/// Room for all packets and what the kernel counts with each, in bytes.
const ENOUGH: usize = 64 << 20;

pub(crate) fn no_packet_is_lost_uncounted_per_cpu() -> Result<()> {
    press(Dispatch::PerCpu, LITTLE)
}

pub(crate) fn no_packet_is_lost_uncounted_per_port() -> Result<()> {
    press(Dispatch::PerVport, LITTLE)
}

pub(crate) fn no_packet_is_lost_where_there_is_room() -> Result<()> {
    press(Dispatch::PerCpu, ENOUGH)
}

fn press(dispatch: Dispatch, receive_buffer: usize) -> Result<()> {
    let lab = Lab::new(2)?;
    lab.introduce()?;
    let options = UpcallOptions {
        readers: 3,
        dispatch: Some(dispatch),
        receive_buffer,
    };
    let readers = lab.connection.upcalls(lab.id, options)?.into_readers();
    let before = lab.connection.vport("v1")?.stats.rx_packets;
    let (sent, read) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    let (overruns, last) = std::thread::scope(|scope| {
        let threads: Vec<_> = readers
            .into_iter()
            .map(|reader| scope.spawn(|| take_all(reader, &sent, &read)))
            .collect();
        for sender in 0..SENDERS {
            send(&lab.machines[0], 2000 + sender)?;
        }
        sent.store(true, Ordering::SeqCst);
        let (mut overruns, mut last) = (0, began);
        for thread in threads {
            let of_reader = thread.join().expect("a reader does not panic")?;
            overruns += of_reader.0;
            last = last.max(of_reader.1);
        }
        anyhow::Ok((overruns, last))
    })?;
    let took = last - began;
    let came = lab.connection.vport("v1")?.stats.rx_packets - before;
    let stats = lab.connection.datapath(lab.id)?.stats;
    let read = read.load(Ordering::SeqCst);
    println!(
        "{came} packets in {took:.1?}: {read} read, {} lost, {overruns} overruns",
        stats.lost
    );
    ensure!(receive_buffer < ENOUGH || stats.lost == 0, "{stats:?}");
    ensure!(came == PACKETS * u64::from(SENDERS), "{came} came");
    ensure!(stats.missed == came, "{stats:?} of {came}");
    ensure!(
        read + stats.lost == came,
        "{read} read, {} lost, of {came}",
        stats.lost
    );
    ensure!(
        read > 0 && (stats.lost == 0) == (overruns == 0),
        "{stats:?}, {overruns} overruns"
    );
    Ok(())
}

/// Reads until all is sent and nothing comes any more. Gives how often packets were lost, and when the last one came.
fn take_all(
    mut reader: UpcallReader,
    sent: &AtomicBool,
    read: &AtomicU64,
) -> Result<(u64, Instant), odp::Error> {
    let mut last = Instant::now();
    loop {
        let all = sent.load(Ordering::SeqCst);
        match reader.next(Some(Duration::from_millis(200)))? {
            Some(upcall) => {
                assert_eq!(upcall.packet.len(), 14 + 20 + 8 + 8, "{}", upcall.key);
                read.fetch_add(1, Ordering::SeqCst);
                last = Instant::now();
            }
            None if all => return Ok((reader.overruns(), last)),
            None => {}
        }
    }
}

/// Sends from a machine, as fast as it can; returns when all is sent.
fn send(machine: &Namespace, port: u16) -> Result<()> {
    machine.run(move || {
        let socket = UdpSocket::bind(("10.0.0.1", port))?;
        for number in 0..PACKETS {
            let to = (
                "10.0.0.2",
                5000 + u16::try_from(number % 1000).unwrap_or_default(),
            );
            socket.send_to(&number.to_be_bytes(), to)?;
        }
        anyhow::Ok(())
    })?
}
