//! Ranks that are threads of one process.

use deepnmf::Result;
use deepnmf::ranks::{Link, Ranks};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// A channel from each to each; messages that were taken in part.
#[derive(Debug)]
struct Threads {
    rank: usize,
    to: Vec<Mutex<Sender<Vec<u8>>>>,
    from: Vec<Mutex<Receiver<Vec<u8>>>>,
}

impl Link for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn send(&self, to: usize, bytes: &[u8]) -> Result<()> {
        self.to[to].lock().unwrap().send(bytes.to_vec()).unwrap();
        Ok(())
    }

    fn receive(&self, from: usize, bytes: &mut [u8]) -> Result<()> {
        let found = self.from[from].lock().unwrap().recv().unwrap();
        assert_eq!(found.len(), bytes.len(), "bytes of rank {from} for rank {}", self.rank);
        bytes.copy_from_slice(&found);
        Ok(())
    }
}

/// What `work` comes to on every one of so many ranks.
pub(crate) fn on_ranks<T: Send + 'static>(size: usize, work: impl Fn(Ranks) -> T + Send + Sync + 'static) -> Vec<T> {
    let (mut to, mut from): (Vec<Vec<_>>, Vec<Vec<_>>) =
        ((0..size).map(|_| Vec::new()).collect(), (0..size).map(|_| Vec::new()).collect());
    for sender in &mut to {
        for receiver in &mut from {
            let (send, receive) = channel();
            sender.push(Mutex::new(send));
            receiver.push(Mutex::new(receive));
        }
    }
    let work = Arc::new(work);
    let start = |(rank, (to, from))| {
        let work = Arc::clone(&work);
        std::thread::spawn(move || work(Ranks::new(Threads { rank, to, from })))
    };
    let threads: Vec<_> = to.into_iter().zip(from).enumerate().map(start).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}
