//! Progress on a terminal: count, rate and time left. Where standard error is no terminal, nothing is written.

use std::fmt;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use emberline::Report;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

/// How often counts are looked at.
const TICK: Duration = Duration::from_millis(100);

/// All bars of the process, so that other lines can be written between them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Runs `write`, which writes to the terminal, while no bar is on it.
pub(crate) fn suspend<R>(write: impl FnOnce() -> R) -> R {
    BARS.suspend(write)
}

/// Progress of one piece of work, on the screen until it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    watch: Option<Watch>,
}

/// A thread that looks at counts. Not a task: the threads that run tasks are busy with the work.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Progress {
    /// Of `total` images that functions run on.
    pub(crate) fn images(what: &'static str, report: &Report, total: u64) -> Self {
        let style = "{msg} {wide_bar} {human_pos} of {human_len} images, {rate}, {eta} left";
        let bar = bar(ProgressBar::new(total), style, what);
        Self::watching(bar, report, move |counts| counts.evaluated.min(total))
    }

    /// Of a query, which does not say how many images it will read.
    pub(crate) fn query(report: &Report) -> Self {
        let bar = bar(ProgressBar::no_length(), "{spinner} {human_pos} images read, {rate}, {elapsed}", "");
        Self::watching(bar, report, |counts| counts.read)
    }

    /// Of `total` bytes.
    pub(crate) fn bytes(what: &'static str, total: u64) -> Self {
        let style = "{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        Self { bar: bar(ProgressBar::new(total), style, what), watch: None }
    }

    /// Of work that can't be counted.
    pub(crate) fn waiting(what: String) -> Self {
        let bar = bar(ProgressBar::no_length(), "{spinner} {msg}, {elapsed}", what);
        bar.enable_steady_tick(TICK);
        Self { bar, watch: None }
    }

    /// Of the steps of a training.
    pub(crate) fn steps() -> Self {
        let style = "{msg} {wide_bar} {human_pos} of {human_len}, {rate}";
        Self { bar: bar(ProgressBar::new(0), style, ""), watch: None }
    }

    /// Says what it is at, and how far it has come.
    pub(crate) fn say(&self, what: String, position: u64, total: u64) {
        if position < self.bar.position() {
            // A new epoch has a rate of its own.
            self.bar.reset_elapsed();
            self.bar.reset_eta();
        }
        self.bar.set_length(total);
        self.bar.set_message(what);
        self.bar.set_position(position);
    }

    /// Says how far it has come.
    pub(crate) fn set(&self, position: u64) {
        self.bar.set_position(position);
    }

    fn watching(
        bar: ProgressBar,
        report: &Report,
        position: impl Fn(&emberline::RowCounts) -> u64 + Send + 'static,
    ) -> Self {
        if BARS.is_hidden() {
            return Self { bar, watch: None };
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (report, drawn, stopped) = (report.clone(), bar.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                drawn.set_position(position(&report.counts()));
                std::thread::park_timeout(TICK);
            }
        });
        Self { bar, watch: Some(Watch { stop, thread }) }
    }
}

fn bar(bar: ProgressBar, style: &str, what: impl Into<std::borrow::Cow<'static, str>>) -> ProgressBar {
    let bar = BARS.add(bar).with_message(what);
    // A style that does not parse would be our mistake, and only a plainer bar.
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style.with_key("rate", rate));
    }
    bar
}

/// indicatif's own has four digits after the point.
fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // Fails only if a bar can't be drawn at all.
    let _ = write!(out, "{:.0}/s", state.per_sec());
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(Watch { stop, thread }) = self.watch.take() {
            stop.store(true, Ordering::Relaxed);
            thread.thread().unpark();
            // A thread that failed has only failed to draw.
            drop(thread.join());
        }
        self.bar.finish_and_clear();
        BARS.remove(&self.bar);
    }
}
