//! The cache of features: what stays when there is no room.

use anyhow::Result;
use emberline_table::{Digest, FeatureCache};

/// The vector of an image; each is an entry of 1,080 bytes.
fn vector(image: u8) -> Vec<f32> {
    vec![f32::from(image); 250]
}

fn digest(image: u8) -> Digest {
    Digest::of(&[image])
}

/// Which of these images a new process finds. It does not use the others.
fn known(cache: &FeatureCache, network: &Digest, images: impl Iterator<Item = u8>) -> Result<Vec<u8>> {
    let mut known = Vec::new();
    for image in images {
        if let [Some(found)] = cache.get(network, &[digest(image)])?.as_slice() {
            assert_eq!(*found, vector(image));
            known.push(image);
        }
    }
    Ok(known)
}

#[test]
fn what_was_not_used_for_the_longest_time_goes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let network = Digest::of(b"network");
    let put = |cache: &FeatureCache, images: std::ops::Range<u8>| -> Result<()> {
        let vectors: Vec<(Digest, Vec<f32>)> = images.map(|image| (digest(image), vector(image))).collect();
        let vectors: Vec<(Digest, &[f32])> =
            vectors.iter().map(|(digest, v)| (*digest, v.as_slice())).collect();
        Ok(cache.put(&network, &vectors)?)
    };
    // Room for ten. Every block is a process of its own.
    let open = || FeatureCache::open(dir.path(), 10 * 1_080);
    {
        let cache = open()?;
        put(&cache, 0..6)?;
        assert_eq!((cache.stats()?.bytes, cache.stats()?.added), (6 * 1_080, 6));
    }
    {
        assert_eq!(known(&open()?, &network, [0, 3].into_iter())?, [0, 3]);
    }
    {
        put(&open()?, 6..11)?;
    }
    let cache = open()?;
    let stats = cache.stats()?;
    assert!(stats.entries == 9 && stats.bytes == 9 * 1_080, "{stats:?}");
    let known = known(&cache, &network, 0..11)?;
    assert_eq!((cache.stats()?.found, cache.stats()?.added), (9, 0), "by this process");
    let kept: Vec<u8> = known.iter().copied().filter(|image| ![1, 2, 4, 5].contains(image)).collect();
    assert_eq!(kept, [0, 3, 6, 7, 8, 9, 10], "what was used or added last stays");
    assert_eq!(known.len(), 9);
    Ok(())
}
