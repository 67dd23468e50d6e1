"""The listings that Deep Learning Pipelines was known for, with only the imports changed.

    python examples/listings.py [photos/ [MODEL...]]

``photos/`` has one folder of pictures for each label; without it, shapes are drawn. The networks are EfficientNetLite0
and 1 unless others are named. The network that is trained is a small one of the tests, for three labels.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import emberline
from emberline import col

MY_NETWORK = Path(__file__).resolve().parents[1] / "crates/emberline-ml/tests/fixtures/training/colours_cnn.keras"

# Reading images


def read_images(folder: Path) -> emberline.DataFrame:
    from emberline import readImages

    image_df = readImages(folder, label="folder")
    image_df.select("image", "label", "origin").show(3)
    return image_df


# What a pretrained network sees


def predict(image_df: emberline.DataFrame, network: str) -> None:
    from emberline.ml import DeepImagePredictor

    predictor = DeepImagePredictor(
        inputCol="image", outputCol="predicted_labels", modelName=network, decodePredictions=True, topK=10
    )
    predictions_df = predictor.transform(image_df.limit(3))
    predictions_df.select("origin", "predicted_labels").show(truncate=100)


# Transfer learning, with the network itself among the settings that are tuned


def tune(image_df: emberline.DataFrame, networks: list[str]) -> emberline.ml.PipelineModel:
    from emberline.ml import DeepImageFeaturizer, Pipeline
    from emberline.ml.classification import LogisticRegression
    from emberline.ml.evaluation import MulticlassClassificationEvaluator
    from emberline.ml.feature import StringIndexer
    from emberline.ml.tuning import CrossValidator, ParamGridBuilder

    indexed_df = StringIndexer(inputCol="label", outputCol="index").fit(image_df).transform(image_df)
    train_df, test_df = indexed_df.randomSplit([0.7, 0.3], seed=1, stratify="label")
    featurizer = DeepImageFeaturizer(inputCol="image", outputCol="features", modelName=networks[0])
    lr = LogisticRegression(labelCol="index", maxIter=50)
    pipeline = Pipeline(stages=[featurizer, lr])
    grid = ParamGridBuilder().addGrid(featurizer.modelName, networks).addGrid(lr.regParam, [0.01, 0.1]).build()
    evaluator = MulticlassClassificationEvaluator(labelCol="index", metricName="accuracy")
    cv = CrossValidator(estimator=pipeline, estimatorParamMaps=grid, evaluator=evaluator, numFolds=3)
    found = cv.fit(train_df)
    for candidate, metric in zip(grid, found.avgMetrics):
        print({param.name: value for param, value in candidate.items()}, f"accuracy {metric:.3f}")
    print(f"held out: {evaluator.evaluate(found.transform(test_df)):.3f}")
    return found.bestModel


# A network of one's own, trained with different learning rates and batch sizes


def train(image_df: emberline.DataFrame) -> None:
    from emberline.ml import KerasImageFileEstimator
    from emberline.ml.tuning import ParamGridBuilder

    labels = [row.label for row in image_df.select("label").distinct().orderBy("label").take(3)]
    estimator = KerasImageFileEstimator(
        inputCol="image",
        outputCol="scores",
        labelCol="label",
        modelFile=str(MY_NETWORK),
        kerasOptimizer="adam",
        kerasLoss="categorical_crossentropy",
        kerasFitParams={"epochs": 4},
        scale=1 / 255,
    )
    grid = (
        ParamGridBuilder().addGrid(estimator.learningRate, [0.02, 0.001]).addGrid(estimator.batchSize, [4, 16]).build()
    )
    models = estimator.fit(image_df.filter(col("label").isin(*labels)), grid)
    for candidate, model in zip(grid, models):
        losses = ", ".join(f"{loss:.3f}" for loss in model.history["loss"])
        print({param.name: value for param, value in candidate.items()}, f"loss by epoch: {losses}")


# The model as a function of SQL


def ask(image_df: emberline.DataFrame, model: emberline.ml.PipelineModel) -> None:
    emberline.register_function("my_object_recognition_function", model)
    image_df.createOrReplaceTempView("traffic_imgs")
    emberline.sql("SELECT image, label, my_object_recognition_function(image) AS objects FROM traffic_imgs").show(5)


def main() -> None:
    folder, *networks = sys.argv[1:] or [""]
    networks = networks or ["EfficientNetLite0", "EfficientNetLite1"]
    with tempfile.TemporaryDirectory() as scratch:
        if not folder:
            from shapes import draw

            folder = str(draw(Path(scratch) / "photos"))
        image_df = read_images(Path(folder))
        predict(image_df, networks[0])
        model = tune(image_df, networks)
        train(image_df)
        ask(image_df, model)


if __name__ == "__main__":
    main()
