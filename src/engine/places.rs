//! Many hosts at once, each on a thread of its own, and no more at a time than have a place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::Context;

/// How long a host may say nothing before another one is begun beside it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often it is looked at how many say nothing.
const BEAT: Duration = Duration::from_millis(50);

/// Places, of which some are lent for a while.
#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    loan: Mutex<Loan>,
}

/// How many places are lent at present, and how many of them are to be given back as soon as a host is done.
#[derive(Debug, Default)]
struct Loan {
    lent: usize,
    owed: usize,
}

/// Runs `work` for every host, at most `forks` at a time, and returns the results in order.
pub(super) async fn each<I, O, F>(items: Vec<I>, forks: usize, work: F) -> Vec<O>
where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(I) -> O + Send + Sync + 'static,
{
    all(items, Arc::new(Places::new(forks)), work).await
}

/// The same where hosts are only read: while one says nothing, because it is dead or far away, its place is lent
/// to the next one. It never has to wait until it gets the place back, so two hosts cannot block each other.
pub(super) async fn each_read<I, O, F>(items: Vec<I>, forks: usize, cx: &Arc<Context>, work: F) -> Vec<O>
where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(I) -> O + Send + Sync + 'static,
{
    let places = Arc::new(Places::new(forks));
    let lender = tokio::spawn(lend(Arc::clone(&places), Arc::clone(cx)));
    let done = all(items, places, work).await;
    lender.abort();
    done
}

async fn all<I, O, F>(items: Vec<I>, places: Arc<Places>, work: F) -> Vec<O>
where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(I) -> O + Send + Sync + 'static,
{
    let work = Arc::new(work);
    let mut tasks = JoinSet::new();
    for (index, item) in items.into_iter().enumerate() {
        let (places, work) = (Arc::clone(&places), Arc::clone(&work));
        tasks.spawn(async move {
            let place = Arc::clone(&places.free).acquire_owned().await;
            let done = tokio::task::spawn_blocking(move || work(item)).await;
            if let Ok(place) = place {
                places.give_back(place);
            }
            (index, done)
        });
    }
    let mut results = BTreeMap::new();
    while let Some(joined) = tasks.join_next().await {
        if let Ok((index, Ok(done))) = joined {
            results.insert(index, done);
        }
    }
    results.into_values().collect()
}

async fn lend(places: Arc<Places>, cx: Arc<Context>) {
    loop {
        tokio::time::sleep(BEAT).await;
        places.lend(cx.connections.silent(PATIENCE).min(cx.beside));
    }
}

impl Places {
    fn new(count: usize) -> Self {
        Places { free: Arc::new(Semaphore::new(count.max(1))), loan: Mutex::default() }
    }

    fn loan(&self) -> MutexGuard<'_, Loan> {
        self.loan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends so many in all: more at once, fewer as soon as hosts are done.
    fn lend(&self, wanted: usize) {
        let mut loan = self.loan();
        // What is owed and wanted again need not be given back first.
        let new = wanted.saturating_sub(loan.lent);
        loan.lent += new;
        loan.owed = loan.lent - wanted;
        self.free.add_permits(new);
    }

    /// A host is done: its place is the next one's, unless one is owed.
    fn give_back(&self, place: OwnedSemaphorePermit) {
        let mut loan = self.loan();
        if loan.owed > 0 {
            loan.owed -= 1;
            loan.lent -= 1;
            place.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn places_that_are_lent_are_given_back_when_hosts_are_done() {
        let places = Places::new(2);
        let take = || Arc::clone(&places.free).try_acquire_owned();
        let (first, second) = (take().unwrap(), take().unwrap());
        assert!(take().is_err());
        places.lend(1);
        let third = take().unwrap();
        places.lend(0);
        assert!(take().is_err());
        // One host is done, but its place was a lent one.
        places.give_back(first);
        assert!(take().is_err());
        places.give_back(second);
        let again = take().unwrap();
        // What was owed and is wanted again need not be given back first.
        places.lend(3);
        places.lend(1);
        places.lend(2);
        places.give_back(again);
        places.give_back(third);
        let left: Vec<_> = std::iter::from_fn(|| take().ok()).collect();
        assert_eq!(left.len(), 4);
        places.lend(0);
        left.into_iter().for_each(|place| places.give_back(place));
        assert_eq!(places.free.available_permits(), 2);
    }

    #[test]
    fn results_are_in_order_and_no_more_than_forks_are_under_way() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, peak) = (Arc::clone(&now), Arc::clone(&most));
        let done = runtime.block_on(each((0..20).collect(), 3, move |n: u64| {
            peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            (0..200 * (n % 3)).for_each(|_| std::thread::yield_now());
            count.fetch_sub(1, Ordering::SeqCst);
            n
        }));
        assert_eq!(done, (0..20).collect::<Vec<_>>());
        assert!(most.load(Ordering::SeqCst) <= 3);
    }
}
