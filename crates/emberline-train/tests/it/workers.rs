//! Several workers end where one does that has their batches side by side; one that is lost ends all.

use std::{
    net::TcpStream,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use emberline_net::{Network, Tensor};
use emberline_train::{
    Batch, BatchIterator, Batches, EarlyStopping, Error, Loss, Metric, Optimizer, Regularizer, TrainOptions,
    Trained, WorkerListener, Workers, fit,
};
use serde_json::json;

use crate::{
    description,
    formula::{hashed, with_weights},
    keras::small,
};

/// What rounding makes of sums in another order, after some epochs: weights are about 1.
const SUMMED: f64 = 2e-6;
const SECRET: [u8; 32] = [5; 32];
const TIMEOUT: Duration = Duration::from_secs(20);

/// Has as many workers, each on a thread, do something.
fn together<T: Send>(size: usize, work: impl Fn(Workers) -> T + Sync) -> Vec<T> {
    let listeners: Vec<_> = (0..size).map(|_| WorkerListener::bind("127.0.0.1").unwrap()).collect();
    let addresses: Vec<String> =
        listeners.iter().map(|listener| format!("127.0.0.1:{}", listener.port().unwrap())).collect();
    let join = |(rank, listener): (usize, WorkerListener)| {
        let (work, addresses) = (&work, &addresses);
        move || work(listener.join(rank, addresses, SECRET, TIMEOUT).unwrap())
    };
    thread::scope(|scope| {
        let workers: Vec<_> =
            listeners.into_iter().enumerate().map(join).map(|work| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    })
}

/// Batches as they are, in every epoch.
struct Fixed(Vec<Batch>);

impl Batches for Fixed {
    fn epoch(&mut self, _: usize, skipped: usize) -> Result<BatchIterator<'_>, Error> {
        Ok(Box::new(self.0.iter().skip(skipped).cloned().map(Ok)))
    }
}

/// Batches of these sizes, of three classes, or with targets for every class.
fn batches(name: &str, sizes: &[usize], sparse: bool, weighted: bool) -> Vec<Batch> {
    let batch = |(i, &size): (usize, &usize)| {
        let numbers = |part: &str, count: usize| -> Vec<f32> {
            hashed(&format!("{part} {name} {i}"), count).into_iter().map(|u| u as f32).collect()
        };
        let targets = match sparse {
            true => {
                let class = |u: f32| ((u + 1.0) * 1.5).floor().clamp(0.0, 2.0);
                Tensor::new(vec![size], numbers("classes", size).into_iter().map(class).collect()).unwrap()
            }
            false => Tensor::new(vec![size, 3], numbers("targets", size * 3)).unwrap(),
        };
        let inputs = Tensor::new(vec![size, 6], numbers("inputs", size * 6)).unwrap();
        let weights = weighted.then(|| numbers("weights", size).into_iter().map(|u| u + 1.5).collect());
        Batch { inputs: vec![inputs], targets, weights }
    };
    sizes.iter().enumerate().map(batch).collect()
}

/// The batches of all workers side by side, step by step.
fn side_by_side(workers: &[Vec<Batch>]) -> Vec<Batch> {
    let steps = workers.iter().map(Vec::len).max().unwrap();
    let joined = |tensors: Vec<&Tensor>| {
        let mut shape = tensors[0].shape().to_vec();
        shape[0] = tensors.iter().map(|tensor| tensor.shape()[0]).sum();
        Tensor::new(shape, tensors.iter().flat_map(|tensor| tensor.data()).copied().collect()).unwrap()
    };
    let step = |step: usize| {
        let parts: Vec<&Batch> = workers.iter().filter_map(|batches| batches.get(step)).collect();
        let weights = parts.iter().flat_map(|part| part.weights.clone()).flatten().collect::<Vec<_>>();
        Batch {
            inputs: vec![joined(parts.iter().map(|part| &part.inputs[0]).collect())],
            targets: joined(parts.iter().map(|part| &part.targets).collect()),
            weights: (!weights.is_empty()).then_some(weights),
        }
    };
    (0..steps).map(step).collect()
}

fn difference(a: &Network, b: &Network) -> f64 {
    let of = |name: &String| a.weights()[name].data().iter().zip(b.weights()[name].data());
    a.weights().keys().flat_map(of).map(|(a, b)| f64::from(a - b).abs()).fold(0.0, f64::max)
}

/// Trains by workers with these sizes of batches, and by one with the batches side by side; the workers' results, and the one's.
fn trained(
    network: &Network,
    options: &TrainOptions,
    sizes: &[&[usize]],
    [sparse, weighted]: [bool; 2],
) -> (Vec<Trained>, Trained) {
    let of = |kind: &str| -> Vec<Vec<Batch>> {
        let own =
            |(rank, sizes): (usize, &&[usize])| batches(&format!("{kind} {rank}"), sizes, sparse, weighted);
        sizes.iter().enumerate().map(own).collect()
    };
    let (training, validation) = (of("training"), of("validation"));
    let one = fit(
        network,
        options,
        &mut Fixed(side_by_side(&training)),
        Some(&mut Fixed(side_by_side(&validation))),
        &mut |_| {},
    );
    let several = together(sizes.len(), |workers| {
        let rank = workers.rank();
        let options = TrainOptions { workers: Some(Arc::new(workers)), ..options.clone() };
        let mut validation = Fixed(validation[rank].clone());
        fit(network, &options, &mut Fixed(training[rank].clone()), Some(&mut validation), &mut |_| {})
            .unwrap()
    });
    (several, one.unwrap())
}

fn check(network: &Network, options: &TrainOptions, sizes: &[&[usize]], targets: [bool; 2]) {
    let (several, one) = trained(network, options, sizes, targets);
    assert!(difference(&one.network, network) > 1e-2, "nothing was learned");
    for worker in &several {
        assert_eq!(worker.network.weights(), several[0].network.weights());
        assert_eq!(worker.history, several[0].history);
        let found = difference(&worker.network, &one.network);
        assert!(found <= SUMMED, "weights differ by {found}");
        assert_eq!((worker.best_epoch, worker.stopped_early), (one.best_epoch, one.stopped_early));
        for (epoch, expected) in worker.history.iter().zip(&one.history) {
            assert_eq!((epoch.steps, epoch.learning_rate), (expected.steps, expected.learning_rate));
            for (name, value) in &epoch.values {
                assert!(
                    (value - expected.values[name]).abs() <= 10.0 * SUMMED,
                    "{name}: {epoch:?} {expected:?}"
                );
            }
        }
    }
}

#[test]
fn workers_end_where_one_does_with_their_batches_side_by_side() {
    let (mut options, network) = small("sparse_categorical_crossentropy");
    options.epochs = 6;
    options.metrics = ["accuracy", "sparse_categorical_crossentropy"]
        .map(|name| Metric::parse(&name.into()).unwrap())
        .to_vec();
    options.class_weights = [(0, 2.0), (1, 0.5)].into();
    let l2 = Regularizer::parse(&json!({"class_name": "L2", "config": {"l2": 0.05}})).unwrap();
    options.layers.entry("hidden".to_owned()).or_default().regularizers.insert("kernel".to_owned(), l2);
    let stopping = json!({"patience": 2, "restore_best_weights": true});
    options.early_stopping = Some(EarlyStopping::parse(&stopping).unwrap());
    for optimizer in [
        json!({"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "global_clipnorm": 0.5}),
        json!({"name": "sgd", "gradient_accumulation_steps": 2, "use_ema": true, "learning_rate": {
            "class_name": "CosineDecay", "config": {"initial_learning_rate": 0.3, "decay_steps": 15}}}),
    ] {
        options.optimizer = Optimizer::parse(&optimizer).unwrap();
        // Batches of one size, of several, and workers that have none left; more workers than a part of the ring has numbers.
        for sizes in [&[&[4, 4][..], &[4, 4]][..], &[&[5, 3, 2, 4], &[1], &[7, 2]], &[&[2, 2][..]; 5]] {
            check(&network, &options, sizes, [true, false]);
        }
    }
}

#[test]
fn all_ways_to_reduce_losses_are_those_of_one_batch() {
    for (loss, sparse, weighted) in [
        (json!({"class_name": "MeanSquaredError", "config": {"reduction": "sum"}}), false, true),
        (
            json!({"class_name": "MeanSquaredError", "config": {"reduction": "mean_with_sample_weight"}}),
            false,
            true,
        ),
        (json!({"class_name": "SparseCategoricalCrossentropy", "config": {"ignore_class": 1}}), true, false),
    ] {
        let (mut options, network) = small("mse");
        options.loss = Loss::parse(&loss).unwrap();
        options.epochs = 4;
        let l1 = Regularizer::parse(&json!({"class_name": "L1", "config": {"l1": 0.01}})).unwrap();
        options.layers.entry("out".to_owned()).or_default().regularizers.insert("kernel".to_owned(), l1);
        options.optimizer = Optimizer::parse(&json!({"name": "sgd", "learning_rate": 0.05})).unwrap();
        check(&network, &options, &[&[3, 5, 2], &[6, 1]], [sparse, weighted]);
    }
}

#[test]
fn statistics_are_the_mean_of_the_workers_and_dropped_values_differ() {
    let network = with_weights(
        description::network(&json!([
            [6],
            ["hidden", "Dense", {"units": 8}],
            ["bn", "BatchNormalization", {"momentum": 0.5}],
            ["out", "Dense", {"units": 3}]
        ]))
        .0,
    );
    let (mut options, _) = small("mse");
    options.layers.entry("bn".to_owned()).or_default().momentum = Some(0.5);
    let (several, _) = trained(&network, &options, &[&[4], &[12]], [false, false]);
    let alone = |rank: usize, size: usize| {
        let mut own = Fixed(batches(&format!("training {rank}"), &[size], false, false));
        fit(&network, &options, &mut own, None, &mut |_| {}).unwrap().network
    };
    let (first, second) = (alone(0, 4), alone(1, 12));
    for name in ["bn/moving_mean", "bn/moving_variance"] {
        let of = |network: &Network| network.weights()[name].data().to_vec();
        assert_eq!(of(&several[0].network), of(&several[1].network));
        for ((found, a), b) in of(&several[0].network).iter().zip(of(&first)).zip(of(&second)) {
            assert!((found - (a * 0.25 + b * 0.75)).abs() < 1e-6);
        }
    }

    let (options, _) = small("mse");
    let dropped = with_weights(
        description::network(
            &json!([[6], ["drop", "Dropout", {"rate": 0.5}], ["out", "Dense", {"units": 3}]]),
        )
        .0,
    );
    let same = batches("same", &[8], false, false);
    let of = |size: usize| {
        let trained = together(size, |workers| {
            let options = TrainOptions { workers: Some(Arc::new(workers)), ..options.clone() };
            fit(&dropped, &options, &mut Fixed(same.clone()), None, &mut |_| {}).unwrap().network
        });
        assert!(trained.iter().all(|network| network.weights() == trained[0].weights()));
        trained[0].clone()
    };
    // Were equal values dropped, two workers with equal batches would end where one does.
    assert!(difference(&of(1), &of(2)) > 1e-4);
    assert_eq!(of(2).weights(), of(2).weights());
}

#[test]
fn whoever_is_lost_ends_all() {
    let (mut options, network) = small("mse");
    options.epochs = 1_000_000;
    let start = Instant::now();
    let errors = together(3, |workers| {
        let rank = workers.rank();
        let options = TrainOptions { workers: Some(Arc::new(workers)), ..options.clone() };
        let mut own = Fixed(batches("any", &[4], false, false));
        let mut seen = 0;
        let mut dying = move |_: &emberline_train::Event<'_>| {
            seen += 1;
            assert!(rank != 1 || seen < 20, "this worker dies");
        };
        let fit = std::panic::AssertUnwindSafe(|| fit(&network, &options, &mut own, None, &mut dying));
        let ended = std::panic::catch_unwind(fit);
        drop(options);
        ended.map(|trained| trained.unwrap_err().to_string())
    });
    assert!(errors[1].is_err());
    for rank in [0, 2] {
        let error = errors[rank].as_ref().unwrap();
        assert!(
            error.starts_with(&format!("training together: worker {rank} of 3 lost the others")),
            "{error}"
        );
    }
    assert!(start.elapsed() < TIMEOUT);
}

#[test]
fn workers_that_do_not_train_the_same_are_told() {
    let (options, network) = small("mse");
    let errors = together(2, |workers| {
        let mut options = TrainOptions { epochs: 1 + workers.rank(), ..options.clone() };
        options.workers = Some(Arc::new(workers));
        let mut own = Fixed(batches("any", &[4], false, false));
        fit(&network, &options, &mut own, None, &mut |_| {}).unwrap_err().to_string()
    });
    assert!(errors[0].contains("workers 0 and 1 do not begin alike: expected one network"), "{}", errors[0]);
}

#[test]
fn sums_and_messages_reach_all() {
    for size in 1..=5 {
        for len in [0, 1, 3, 10_000] {
            let sums = together(size, |workers| {
                let mut numbers: Vec<f32> = (0..len).map(|i| (i * (workers.rank() + 1)) as f32).collect();
                workers.sum(&mut numbers).unwrap();
                let said = workers.gather(format!("{}", workers.rank()).as_bytes()).unwrap();
                let expected: Vec<String> = (0..size).map(|rank| rank.to_string()).collect();
                assert_eq!(said, expected.iter().map(|said| said.as_bytes().to_vec()).collect::<Vec<_>>());
                numbers
            });
            let factor = size * (size + 1) / 2;
            let expected: Vec<f32> = (0..len).map(|i| (i * factor) as f32).collect();
            assert!(sums.iter().all(|sum| *sum == expected));
        }
    }
}

#[test]
fn one_that_does_nothing_is_waited_for_no_longer_than_said_and_strangers_are_sent_away() {
    let wait = Duration::from_millis(300);
    let listeners = [0, 1].map(|_| WorkerListener::bind("127.0.0.1").unwrap());
    let ports = listeners.each_ref().map(|listener| listener.port().unwrap());
    let addresses = ports.map(|port| format!("127.0.0.1:{port}")).to_vec();
    let stranger = TcpStream::connect(("127.0.0.1", ports[1])).unwrap();
    drop(stranger);
    let [first, second] = listeners;
    let others = addresses.clone();
    let idle = thread::spawn(move || second.join(1, &others, SECRET, wait).unwrap());
    let workers = first.join(0, &addresses, SECRET, wait).unwrap();
    let idle = idle.join().unwrap();
    let error = workers.sum(&mut [1.0; 4]).unwrap_err().to_string();
    assert!(error.ends_with("worker 1 or 1 first: they took too long"), "{error}");
    assert!(idle.gather(b"too late").is_err());
    assert!(workers.sum(&mut [1.0]).unwrap_err().to_string().contains("lost before"));

    let alone = WorkerListener::bind("127.0.0.1").unwrap();
    let nobody = vec![format!("127.0.0.1:{}", alone.port().unwrap()), "127.0.0.1:1".to_owned()];
    let error = alone.join(0, &nobody, SECRET, wait).unwrap_err().to_string();
    assert!(error.contains("worker 0 of 2 can't reach worker 1"), "{error}");
}
