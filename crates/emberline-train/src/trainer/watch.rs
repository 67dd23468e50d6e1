//! Early stopping and the lowering of the learning rate, by the rules of Keras' callbacks.

use super::{Epoch, run::Run, run::Watch};
use crate::Result;

impl Run<'_> {
    pub(super) fn watch_stopping(&mut self, epoch: &Epoch) -> Result<()> {
        let Some(stopping) = &self.options.early_stopping else { return Ok(()) };
        let value = epoch.values.get(stopping.monitor.name()).copied();
        let (Some(value), true) = (value, epoch.epoch as u64 > stopping.start_from_epoch) else {
            return Ok(());
        };
        let better = |than| stopping.monitor.is_better(value, than, &self.options.metrics);
        let is_best = better(self.progress.stopping.best);
        if stopping.restore_best_weights && (is_best || self.best.is_none()) {
            self.best = Some(self.weights.tensors()?);
        }
        let watch = &mut self.progress.stopping;
        watch.wait += 1;
        if is_best {
            watch.best = Some(value);
            if stopping.baseline.is_none() || better(stopping.baseline) {
                watch.wait = 0;
            }
        } else if watch.wait >= stopping.patience && epoch.epoch > 1 {
            self.progress.stopped = true;
        }
        Ok(())
    }

    pub(super) fn watch_plateau(&mut self, epoch: &Epoch) {
        let Some(plateau) = &self.options.reduce_on_plateau else { return };
        let Some(value) = epoch.values.get(plateau.monitor.name()).copied() else { return };
        let progress = &mut self.progress;
        let cooling = progress.cooldown > 0;
        if cooling {
            progress.cooldown -= 1;
            progress.plateau.wait = 0;
        }
        if plateau.monitor.is_better(value, progress.plateau.best, &self.options.metrics) {
            progress.plateau = Watch { best: Some(value), wait: 0 };
        } else if progress.cooldown == 0 {
            progress.plateau.wait += 1;
            if progress.plateau.wait >= plateau.patience && epoch.learning_rate > plateau.min_learning_rate {
                let lower = (epoch.learning_rate * plateau.factor).max(plateau.min_learning_rate);
                progress.learning_rate = Some(lower);
                progress.cooldown = plateau.cooldown;
                progress.plateau.wait = 0;
            }
        }
    }
}
