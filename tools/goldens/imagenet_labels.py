"""Writes the 1000 ImageNet classes, one `WordNet id<TAB>name` a line, in the order of every ImageNet network's outputs.

The source is the `timm` package (Apache-2.0): `imagenet_synsets.txt` (the order) and `imagenet_synset_to_lemma.txt`
(WordNet's lemmas). The name is the first lemma with underscores, which is how Keras' `decode_predictions` names classes.

    pip download --no-deps timm==1.0.31 && python imagenet_labels.py timm-1.0.31-py3-none-any.whl
"""

import sys
import zipfile
from pathlib import Path

TARGET = Path(__file__).parents[2] / "crates/emberline-zoo/src/labels/imagenet.tsv"


def main():
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        synsets = wheel.read("timm/data/_info/imagenet_synsets.txt").decode().split()
        lemmas = wheel.read("timm/data/_info/imagenet_synset_to_lemma.txt").decode().splitlines()
    lemma_of = dict(line.split("\t") for line in lemmas)
    assert len(synsets) == len(set(synsets)) == 1000
    lines = [f"{synset}\t{lemma_of[synset].split(',')[0].replace(' ', '_')}\n" for synset in synsets]
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text("".join(lines))


if __name__ == "__main__":
    main()
