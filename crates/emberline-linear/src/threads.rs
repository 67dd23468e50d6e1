//! Work shared among threads.

use std::sync::{Mutex, PoisonError};

/// Does `work` for all items, on at most `threads` threads, and gives the answers in the items' order.
pub(crate) fn share<T: Send, R: Send>(
    items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator + Send>,
    threads: usize,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let items = items.into_iter();
    let others = threads.min(items.len()).saturating_sub(1);
    let waiting = Mutex::new(items.enumerate());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let all =
        || -> Vec<(usize, R)> { std::iter::from_fn(|| next().map(|(i, item)| (i, work(item)))).collect() };
    let mut answers = std::thread::scope(|scope| {
        let others: Vec<_> = (0..others).map(|_| scope.spawn(all)).collect();
        let mut answers = all();
        for other in others {
            answers.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        answers
    });
    answers.sort_by_key(|(i, _)| *i);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn answers_come_in_the_order_of_items() {
        for threads in [0, 1, 3, 50] {
            assert_eq!(share(0..20, threads, |i| i * i), (0..20).map(|i| i * i).collect::<Vec<_>>());
            assert!(share(0..0, threads, |i| i).is_empty());
        }
    }
}
