//! Ranks that are threads of one process.

use deepnmf::Result;
use deepnmf::backend::{Backend, Element, Rows};
use deepnmf::ranks::{Link, Ranks};
use deepnmf::train::{self, Config, Fit, Placed};
use ndarray::{Array2, Axis, concatenate, s};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A message that has not come by then is none: a test fails, and does not hang.
const WAIT: Duration = Duration::from_secs(60);

/// A channel from each to each.
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
        let found = self.from[from].lock().unwrap().recv_timeout(WAIT);
        let found = found.unwrap_or_else(|e| panic!("rank {} waits for rank {from}: {e}", self.rank));
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

/// The rows of this rank of `x`, as a source.
pub(crate) fn own<E: Element>(x: &Array2<E>, config: &Config) -> Placed<E> {
    let (n, m) = x.dim();
    let own = config.own_rows(n, m);
    Placed { source: Box::new(Rows::from(x.slice(s![own.clone(), ..]).to_owned())), first: own.start, samples: n }
}

pub(crate) fn fit_of<B: Backend>(b: &mut B, x: &Array2<B::Elem>, config: &Config, ranks: Ranks) -> Fit<B::Elem> {
    let config = Config { ranks: Some(ranks), ..config.clone() };
    train::fit_samples(b, &mut own(x, &config), &config, None, &mut train::silent).unwrap()
}

/// The coefficients of all ranks, of which each has its own: of a hidden layer from 0, or of the last one.
pub(crate) fn h_of_all<'a>(fits: impl Iterator<Item = &'a Fit<f64>>, layer: usize) -> Array2<f64> {
    let parts: Vec<_> = fits.map(|fit| fit.factors.hidden.get(layer).unwrap_or(&fit.factors.h).view()).collect();
    concatenate(Axis(0), &parts).unwrap()
}
