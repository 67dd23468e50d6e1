"""A class for each kind of stage. Written by tools/python_stages.py: do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emberline.ml._holders import OneVsRestBase, Validator, ValidatorModel
from emberline.ml._networks import TrainedNetwork
from emberline.ml._summary import summary_of
from emberline.ml.param import Param, TypeConverters
from emberline.ml.util import NativeEstimator, NativeEvaluator, NativeModel, NativeTransformer, keyword_only

if TYPE_CHECKING:
    import numpy
    from typing_extensions import Self

    from emberline.ml._summary import LogisticRegressionTrainingSummary, Summary
    from emberline.ml.base import Estimator, Model

__all__ = [
    "BinaryClassificationEvaluator",
    "ClusteringEvaluator",
    "CrossValidator",
    "CrossValidatorModel",
    "DeepImageFeaturizer",
    "DeepImagePredictor",
    "IndexToString",
    "KMeans",
    "KMeansModel",
    "KNearestNeighborsClassifier",
    "KNearestNeighborsClassifierModel",
    "KerasEstimator",
    "KerasImageFileEstimator",
    "KerasImageFileModel",
    "KerasImageFileTransformer",
    "KerasModel",
    "KerasTransformer",
    "LinearRegression",
    "LinearRegressionModel",
    "LinearSVC",
    "LinearSVCModel",
    "LogisticRegression",
    "LogisticRegressionModel",
    "MinMaxScaler",
    "MinMaxScalerModel",
    "MulticlassClassificationEvaluator",
    "NaiveBayes",
    "NaiveBayesModel",
    "Normalizer",
    "OneHotEncoder",
    "OneHotEncoderModel",
    "OneVsRest",
    "OneVsRestModel",
    "OnnxTransformer",
    "PCA",
    "PCAModel",
    "RegressionEvaluator",
    "SQLTransformer",
    "SimilarImages",
    "SimilarImagesModel",
    "StandardScaler",
    "StandardScalerModel",
    "StringIndexer",
    "StringIndexerModel",
    "TFImageTransformer",
    "TFTransformer",
    "TrainValidationSplit",
    "TrainValidationSplitModel",
    "VectorAssembler",
]


class BinaryClassificationEvaluator(NativeEvaluator):
    """How well the scores of a classifier tell two classes apart: the area under a curve.

    Params:

    - ``labelCol``: label column name (default: 'label')
    - ``rawPredictionCol``: raw prediction (confidence) column name (default: 'rawPrediction')
    - ``weightCol``: weight column name; if it is not set, all weights are 1 (not set by default)
    - ``metricName``: metric name, one of areaUnderROC, areaUnderPR (default: 'areaUnderROC')
    - ``numBins``: about how many points the curves have where there are more different scores; 0 keeps all, at least
      0 (default: 1000)
    """

    _kind = "BinaryClassificationEvaluator"
    labelCol: Param[str] = Param("undefined", "labelCol", "label column name", TypeConverters.toString)
    rawPredictionCol: Param[str] = Param("undefined", "rawPredictionCol", "raw prediction (confidence) column name", TypeConverters.toString)
    weightCol: Param[str] = Param("undefined", "weightCol", "weight column name; if it is not set, all weights are 1", TypeConverters.toString)
    metricName: Param[str] = Param("undefined", "metricName", "metric name, one of areaUnderROC, areaUnderPR", TypeConverters.toString)
    numBins: Param[int] = Param("undefined", "numBins", "about how many points the curves have where there are more different scores; 0 keeps all, at least 0", TypeConverters.toInt)
    _defaults = {
        "labelCol": "label",
        "rawPredictionCol": "rawPrediction",
        "metricName": "areaUnderROC",
        "numBins": 1000,
    }

    @keyword_only
    def __init__(
        self,
        *,
        labelCol: str | None = None,
        rawPredictionCol: str | None = None,
        weightCol: str | None = None,
        metricName: str | None = None,
        numBins: int | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        labelCol: str | None = None,
        rawPredictionCol: str | None = None,
        weightCol: str | None = None,
        metricName: str | None = None,
        numBins: int | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setLabelCol(self, value: str) -> Self:
        """Sets ``labelCol``."""
        return self._set(labelCol=value)

    def getLabelCol(self) -> str:
        """The value of ``labelCol``."""
        return self.getOrDefault("labelCol")

    def setRawPredictionCol(self, value: str) -> Self:
        """Sets ``rawPredictionCol``."""
        return self._set(rawPredictionCol=value)

    def getRawPredictionCol(self) -> str:
        """The value of ``rawPredictionCol``."""
        return self.getOrDefault("rawPredictionCol")

    def setWeightCol(self, value: str) -> Self:
        """Sets ``weightCol``."""
        return self._set(weightCol=value)

    def getWeightCol(self) -> str:
        """The value of ``weightCol``."""
        return self.getOrDefault("weightCol")

    def setMetricName(self, value: str) -> Self:
        """Sets ``metricName``."""
        return self._set(metricName=value)

    def getMetricName(self) -> str:
        """The value of ``metricName``."""
        return self.getOrDefault("metricName")

    def setNumBins(self, value: int) -> Self:
        """Sets ``numBins``."""
        return self._set(numBins=value)

    def getNumBins(self) -> int:
        """The value of ``numBins``."""
        return self.getOrDefault("numBins")


class ClusteringEvaluator(NativeEvaluator):
    """How close the members of a cluster are compared with those of the next one: the silhouette, from -1 to 1.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``weightCol``: weight column name; if it is not set, all weights are 1 (not set by default)
    - ``metricName``: metric name, one of silhouette (default: 'silhouette')
    - ``distanceMeasure``: how far vectors are apart, one of squaredEuclidean, cosine (default: 'squaredEuclidean')
    """

    _kind = "ClusteringEvaluator"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    weightCol: Param[str] = Param("undefined", "weightCol", "weight column name; if it is not set, all weights are 1", TypeConverters.toString)
    metricName: Param[str] = Param("undefined", "metricName", "metric name, one of silhouette", TypeConverters.toString)
    distanceMeasure: Param[str] = Param("undefined", "distanceMeasure", "how far vectors are apart, one of squaredEuclidean, cosine", TypeConverters.toString)
    _defaults = {
        "featuresCol": "features",
        "predictionCol": "prediction",
        "metricName": "silhouette",
        "distanceMeasure": "squaredEuclidean",
    }

    @keyword_only
    def __init__(
        self,
        *,
        featuresCol: str | None = None,
        predictionCol: str | None = None,
        weightCol: str | None = None,
        metricName: str | None = None,
        distanceMeasure: str | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        featuresCol: str | None = None,
        predictionCol: str | None = None,
        weightCol: str | None = None,
        metricName: str | None = None,
        distanceMeasure: str | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setWeightCol(self, value: str) -> Self:
        """Sets ``weightCol``."""
        return self._set(weightCol=value)

    def getWeightCol(self) -> str:
        """The value of ``weightCol``."""
        return self.getOrDefault("weightCol")

    def setMetricName(self, value: str) -> Self:
        """Sets ``metricName``."""
        return self._set(metricName=value)

    def getMetricName(self) -> str:
        """The value of ``metricName``."""
        return self.getOrDefault("metricName")

    def setDistanceMeasure(self, value: str) -> Self:
        """Sets ``distanceMeasure``."""
        return self._set(distanceMeasure=value)

    def getDistanceMeasure(self) -> str:
        """The value of ``distanceMeasure``."""
        return self.getOrDefault("distanceMeasure")


class CrossValidator(Validator):
    """Chooses among candidates by cross-validation and fits the best one on all rows.

    Params:

    - ``numFolds``: number of folds, at least 2 (default: 3)
    - ``foldCol``: column of each row's fold, from 0 to numFolds - 1; if empty, folds come from a hash of the row and
      the seed (default: '')
    - ``groupCol``: column whose equal values stay in one fold, so that near-duplicates do not validate each other;
      empty for none (default: '')
    - ``seed``: random seed (default: 0)
    - ``halvingFactor``: successive halving: each round keeps one of so many candidates and takes so many times the
      rows, the last one all; if not set, every candidate is measured on all rows, at least 2 (not set by default)
    - ``collectSubModels``: whether the models of every fold and candidate are kept (default: False)
    - ``maxMemoryInMB``: MiB that candidates fitted together may take beside the features and the models, if that is
      at all possible: less is fitted at a time, at least 1 (default: 1024)
    - ``parallelism``: taken from MLlib and not needed: what runs at once is chosen by the cores, and does not change
      the answers, at least 1 (default: 1)
    """

    _kind = "CrossValidator"
    numFolds: Param[int] = Param("undefined", "numFolds", "number of folds, at least 2", TypeConverters.toInt)
    foldCol: Param[str] = Param("undefined", "foldCol", "column of each row's fold, from 0 to numFolds - 1; if empty, folds come from a hash of the row and the seed", TypeConverters.toString)
    groupCol: Param[str] = Param("undefined", "groupCol", "column whose equal values stay in one fold, so that near-duplicates do not validate each other; empty for none", TypeConverters.toString)
    seed: Param[int] = Param("undefined", "seed", "random seed", TypeConverters.toInt)
    halvingFactor: Param[int] = Param("undefined", "halvingFactor", "successive halving: each round keeps one of so many candidates and takes so many times the rows, the last one all; if not set, every candidate is measured on all rows, at least 2", TypeConverters.toInt)
    collectSubModels: Param[bool] = Param("undefined", "collectSubModels", "whether the models of every fold and candidate are kept", TypeConverters.toBoolean)
    maxMemoryInMB: Param[int] = Param("undefined", "maxMemoryInMB", "MiB that candidates fitted together may take beside the features and the models, if that is at all possible: less is fitted at a time, at least 1", TypeConverters.toInt)
    parallelism: Param[int] = Param("undefined", "parallelism", "taken from MLlib and not needed: what runs at once is chosen by the cores, and does not change the answers, at least 1", TypeConverters.toInt)
    _defaults = {
        "numFolds": 3,
        "foldCol": "",
        "groupCol": "",
        "seed": 0,
        "collectSubModels": False,
        "maxMemoryInMB": 1024,
        "parallelism": 1,
    }

    @keyword_only
    def __init__(
        self,
        *,
        estimator: Any | None = None,
        estimatorParamMaps: Any | None = None,
        evaluator: Any | None = None,
        numFolds: int | None = None,
        foldCol: str | None = None,
        groupCol: str | None = None,
        seed: int | None = None,
        halvingFactor: int | None = None,
        collectSubModels: bool | None = None,
        maxMemoryInMB: int | None = None,
        parallelism: int | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        estimator: Any | None = None,
        estimatorParamMaps: Any | None = None,
        evaluator: Any | None = None,
        numFolds: int | None = None,
        foldCol: str | None = None,
        groupCol: str | None = None,
        seed: int | None = None,
        halvingFactor: int | None = None,
        collectSubModels: bool | None = None,
        maxMemoryInMB: int | None = None,
        parallelism: int | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setNumFolds(self, value: int) -> Self:
        """Sets ``numFolds``."""
        return self._set(numFolds=value)

    def getNumFolds(self) -> int:
        """The value of ``numFolds``."""
        return self.getOrDefault("numFolds")

    def setFoldCol(self, value: str) -> Self:
        """Sets ``foldCol``."""
        return self._set(foldCol=value)

    def getFoldCol(self) -> str:
        """The value of ``foldCol``."""
        return self.getOrDefault("foldCol")

    def setGroupCol(self, value: str) -> Self:
        """Sets ``groupCol``."""
        return self._set(groupCol=value)

    def getGroupCol(self) -> str:
        """The value of ``groupCol``."""
        return self.getOrDefault("groupCol")

    def setSeed(self, value: int) -> Self:
        """Sets ``seed``."""
        return self._set(seed=value)

    def getSeed(self) -> int:
        """The value of ``seed``."""
        return self.getOrDefault("seed")

    def setHalvingFactor(self, value: int) -> Self:
        """Sets ``halvingFactor``."""
        return self._set(halvingFactor=value)

    def getHalvingFactor(self) -> int:
        """The value of ``halvingFactor``."""
        return self.getOrDefault("halvingFactor")

    def setCollectSubModels(self, value: bool) -> Self:
        """Sets ``collectSubModels``."""
        return self._set(collectSubModels=value)

    def getCollectSubModels(self) -> bool:
        """The value of ``collectSubModels``."""
        return self.getOrDefault("collectSubModels")

    def setMaxMemoryInMB(self, value: int) -> Self:
        """Sets ``maxMemoryInMB``."""
        return self._set(maxMemoryInMB=value)

    def getMaxMemoryInMB(self) -> int:
        """The value of ``maxMemoryInMB``."""
        return self.getOrDefault("maxMemoryInMB")

    def setParallelism(self, value: int) -> Self:
        """Sets ``parallelism``."""
        return self._set(parallelism=value)

    def getParallelism(self) -> int:
        """The value of ``parallelism``."""
        return self.getOrDefault("parallelism")


class CrossValidatorModel(ValidatorModel):
    """What cross-validation found; as a stage, the best model.

    Params:

    - ``numFolds``: number of folds, at least 2 (default: 3)
    - ``foldCol``: column of each row's fold, from 0 to numFolds - 1; if empty, folds come from a hash of the row and
      the seed (default: '')
    - ``seed``: random seed (default: 0)
    """

    _kind = "CrossValidatorModel"
    numFolds: Param[int] = Param("undefined", "numFolds", "number of folds, at least 2", TypeConverters.toInt)
    foldCol: Param[str] = Param("undefined", "foldCol", "column of each row's fold, from 0 to numFolds - 1; if empty, folds come from a hash of the row and the seed", TypeConverters.toString)
    seed: Param[int] = Param("undefined", "seed", "random seed", TypeConverters.toInt)
    _defaults = {
        "numFolds": 3,
        "foldCol": "",
        "seed": 0,
    }

    def setNumFolds(self, value: int) -> Self:
        """Sets ``numFolds``."""
        return self._set(numFolds=value)

    def getNumFolds(self) -> int:
        """The value of ``numFolds``."""
        return self.getOrDefault("numFolds")

    def setFoldCol(self, value: str) -> Self:
        """Sets ``foldCol``."""
        return self._set(foldCol=value)

    def getFoldCol(self) -> str:
        """The value of ``foldCol``."""
        return self.getOrDefault("foldCol")

    def setSeed(self, value: int) -> Self:
        """Sets ``seed``."""
        return self._set(seed=value)

    def getSeed(self) -> int:
        """The value of ``seed``."""
        return self.getOrDefault("seed")

    @property
    def bestModel(self) -> Model:
        """The best candidate, fitted on all rows."""
        return self._attribute("bestModel")

    @property
    def bestIndex(self) -> int:
        """Its place among the candidates."""
        return self._attribute("bestIndex")

    @property
    def avgMetrics(self) -> list[float]:
        """Each candidate's metric, averaged over the folds; NaN for one that failed."""
        return self._attribute("avgMetrics")

    @property
    def stdMetrics(self) -> list[float]:
        """Each candidate's standard deviation over the folds."""
        return self._attribute("stdMetrics")

    @property
    def errors(self) -> list[str | None]:
        """Why a candidate failed, for those that did."""
        return self._attribute("errors")

    @property
    def subModels(self) -> list[list[Model | None]] | None:
        """With collectSubModels, the models by fold and candidate."""
        return self._attribute("subModels")


class DeepImageFeaturizer(NativeTransformer):
    """Features of images: what a pretrained network knows of them at one of its layers.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``errorCol``: column that says why a row's output is null; if it is not set, none (not set by default)
    - ``modelName``: a named network; `emberline models` lists them (required)
    - ``modelFile``: a file with the network's weights (Keras' .h5, PyTorch's .pth, .safetensors), in place of those
      that the store fetches (not set by default)
    - ``layer``: the layer whose output are the features; if it is not set, the one that the network's card says (not
      set by default)
    - ``pooling``: how the places of a layer's output become one vector per image, one of avg, max, flatten, none
      (default: 'avg')
    - ``scaleHint``: how images are brought to the network's size; if it is not set, as the network's card says, one
      of bilinear, bicubic, area, nearest, SCALE_AREA_AVERAGING, SCALE_SMOOTH, SCALE_DEFAULT, SCALE_FAST,
      SCALE_REPLICATE (not set by default)
    - ``batchSize``: images per run of the network; does not change the answers, from 1 to 1024 (default: 1)
    """

    _kind = "DeepImageFeaturizer"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    errorCol: Param[str] = Param("undefined", "errorCol", "column that says why a row's output is null; if it is not set, none", TypeConverters.toString)
    modelName: Param[str] = Param("undefined", "modelName", "a named network; `emberline models` lists them", TypeConverters.toString)
    modelFile: Param[str] = Param("undefined", "modelFile", "a file with the network's weights (Keras' .h5, PyTorch's .pth, .safetensors), in place of those that the store fetches", TypeConverters.toString)
    layer: Param[str] = Param("undefined", "layer", "the layer whose output are the features; if it is not set, the one that the network's card says", TypeConverters.toString)
    pooling: Param[str] = Param("undefined", "pooling", "how the places of a layer's output become one vector per image, one of avg, max, flatten, none", TypeConverters.toString)
    scaleHint: Param[str] = Param("undefined", "scaleHint", "how images are brought to the network's size; if it is not set, as the network's card says, one of bilinear, bicubic, area, nearest, SCALE_AREA_AVERAGING, SCALE_SMOOTH, SCALE_DEFAULT, SCALE_FAST, SCALE_REPLICATE", TypeConverters.toString)
    batchSize: Param[int] = Param("undefined", "batchSize", "images per run of the network; does not change the answers, from 1 to 1024", TypeConverters.toInt)
    _defaults = {
        "pooling": "avg",
        "batchSize": 1,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        errorCol: str | None = None,
        modelName: str | None = None,
        modelFile: str | None = None,
        layer: str | None = None,
        pooling: str | None = None,
        scaleHint: str | None = None,
        batchSize: int | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        errorCol: str | None = None,
        modelName: str | None = None,
        modelFile: str | None = None,
        layer: str | None = None,
        pooling: str | None = None,
        scaleHint: str | None = None,
        batchSize: int | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setErrorCol(self, value: str) -> Self:
        """Sets ``errorCol``."""
        return self._set(errorCol=value)

    def getErrorCol(self) -> str:
        """The value of ``errorCol``."""
        return self.getOrDefault("errorCol")

    def setModelName(self, value: str) -> Self:
        """Sets ``modelName``."""
        return self._set(modelName=value)

    def getModelName(self) -> str:
        """The value of ``modelName``."""
        return self.getOrDefault("modelName")

    def setModelFile(self, value: str) -> Self:
        """Sets ``modelFile``."""
        return self._set(modelFile=value)

    def getModelFile(self) -> str:
        """The value of ``modelFile``."""
        return self.getOrDefault("modelFile")

    def setLayer(self, value: str) -> Self:
        """Sets ``layer``."""
        return self._set(layer=value)

    def getLayer(self) -> str:
        """The value of ``layer``."""
        return self.getOrDefault("layer")

    def setPooling(self, value: str) -> Self:
        """Sets ``pooling``."""
        return self._set(pooling=value)

    def getPooling(self) -> str:
        """The value of ``pooling``."""
        return self.getOrDefault("pooling")

    def setScaleHint(self, value: str) -> Self:
        """Sets ``scaleHint``."""
        return self._set(scaleHint=value)

    def getScaleHint(self) -> str:
        """The value of ``scaleHint``."""
        return self.getOrDefault("scaleHint")

    def setBatchSize(self, value: int) -> Self:
        """Sets ``batchSize``."""
        return self._set(batchSize=value)

    def getBatchSize(self) -> int:
        """The value of ``batchSize``."""
        return self.getOrDefault("batchSize")


class DeepImagePredictor(NativeTransformer):
    """What a pretrained network sees in images.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``errorCol``: column that says why a row's output is null; if it is not set, none (not set by default)
    - ``modelName``: a named network; `emberline models` lists them (required)
    - ``modelFile``: a file with the network's weights (Keras' .h5, PyTorch's .pth, .safetensors), in place of those
      that the store fetches (not set by default)
    - ``decodePredictions``: whether the output is the most probable classes by name, instead of all probabilities
      (default: False)
    - ``topK``: how many classes are named, at least 1 (default: 5)
    - ``scaleHint``: how images are brought to the network's size; if it is not set, as the network's card says, one
      of bilinear, bicubic, area, nearest, SCALE_AREA_AVERAGING, SCALE_SMOOTH, SCALE_DEFAULT, SCALE_FAST,
      SCALE_REPLICATE (not set by default)
    - ``batchSize``: images per run of the network; does not change the answers, from 1 to 1024 (default: 1)
    """

    _kind = "DeepImagePredictor"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    errorCol: Param[str] = Param("undefined", "errorCol", "column that says why a row's output is null; if it is not set, none", TypeConverters.toString)
    modelName: Param[str] = Param("undefined", "modelName", "a named network; `emberline models` lists them", TypeConverters.toString)
    modelFile: Param[str] = Param("undefined", "modelFile", "a file with the network's weights (Keras' .h5, PyTorch's .pth, .safetensors), in place of those that the store fetches", TypeConverters.toString)
    decodePredictions: Param[bool] = Param("undefined", "decodePredictions", "whether the output is the most probable classes by name, instead of all probabilities", TypeConverters.toBoolean)
    topK: Param[int] = Param("undefined", "topK", "how many classes are named, at least 1", TypeConverters.toInt)
    scaleHint: Param[str] = Param("undefined", "scaleHint", "how images are brought to the network's size; if it is not set, as the network's card says, one of bilinear, bicubic, area, nearest, SCALE_AREA_AVERAGING, SCALE_SMOOTH, SCALE_DEFAULT, SCALE_FAST, SCALE_REPLICATE", TypeConverters.toString)
    batchSize: Param[int] = Param("undefined", "batchSize", "images per run of the network; does not change the answers, from 1 to 1024", TypeConverters.toInt)
    _defaults = {
        "decodePredictions": False,
        "topK": 5,
        "batchSize": 1,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        errorCol: str | None = None,
        modelName: str | None = None,
        modelFile: str | None = None,
        decodePredictions: bool | None = None,
        topK: int | None = None,
        scaleHint: str | None = None,
        batchSize: int | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        errorCol: str | None = None,
        modelName: str | None = None,
        modelFile: str | None = None,
        decodePredictions: bool | None = None,
        topK: int | None = None,
        scaleHint: str | None = None,
        batchSize: int | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setErrorCol(self, value: str) -> Self:
        """Sets ``errorCol``."""
        return self._set(errorCol=value)

    def getErrorCol(self) -> str:
        """The value of ``errorCol``."""
        return self.getOrDefault("errorCol")

    def setModelName(self, value: str) -> Self:
        """Sets ``modelName``."""
        return self._set(modelName=value)

    def getModelName(self) -> str:
        """The value of ``modelName``."""
        return self.getOrDefault("modelName")

    def setModelFile(self, value: str) -> Self:
        """Sets ``modelFile``."""
        return self._set(modelFile=value)

    def getModelFile(self) -> str:
        """The value of ``modelFile``."""
        return self.getOrDefault("modelFile")

    def setDecodePredictions(self, value: bool) -> Self:
        """Sets ``decodePredictions``."""
        return self._set(decodePredictions=value)

    def getDecodePredictions(self) -> bool:
        """The value of ``decodePredictions``."""
        return self.getOrDefault("decodePredictions")

    def setTopK(self, value: int) -> Self:
        """Sets ``topK``."""
        return self._set(topK=value)

    def getTopK(self) -> int:
        """The value of ``topK``."""
        return self.getOrDefault("topK")

    def setScaleHint(self, value: str) -> Self:
        """Sets ``scaleHint``."""
        return self._set(scaleHint=value)

    def getScaleHint(self) -> str:
        """The value of ``scaleHint``."""
        return self.getOrDefault("scaleHint")

    def setBatchSize(self, value: int) -> Self:
        """Sets ``batchSize``."""
        return self._set(batchSize=value)

    def getBatchSize(self) -> int:
        """The value of ``batchSize``."""
        return self.getOrDefault("batchSize")


class IndexToString(NativeTransformer):
    """Gives each index its label: the labels set, or those that the column's metadata has.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``labels``: labels; if not set, those in the input column's metadata (not set by default)
    """

    _kind = "IndexToString"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    labels: Param[list[str]] = Param("undefined", "labels", "labels; if not set, those in the input column's metadata", TypeConverters.toListString)
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        labels: list[str] | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        labels: list[str] | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setLabels(self, value: list[str]) -> Self:
        """Sets ``labels``."""
        return self._set(labels=value)

    def getLabels(self) -> list[str]:
        """The value of ``labels``."""
        return self.getOrDefault("labels")


class KMeans(NativeEstimator):
    """Clusters by k-means, with MLlib's parameters and defaults.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``weightCol``: weight column name; if it is not set, all weights are 1 (not set by default)
    - ``k``: number of clusters; fewer where fewer rows differ, at least 2 (default: 2)
    - ``initMode``: how the first centers are found: rows far from each other, or any rows, one of k-means||, random
      (default: 'k-means||')
    - ``initSteps``: steps of k-means||, at least 1 (default: 2)
    - ``maxIter``: maximum number of iterations, at least 0 (default: 20)
    - ``tol``: iterations end when no center moves by more than this distance, at least 0 (default: 0.0001)
    - ``seed``: random seed (default: 0)
    - ``distanceMeasure``: how far vectors are apart, one of euclidean, cosine (default: 'euclidean')
    """

    _kind = "KMeans"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    weightCol: Param[str] = Param("undefined", "weightCol", "weight column name; if it is not set, all weights are 1", TypeConverters.toString)
    k: Param[int] = Param("undefined", "k", "number of clusters; fewer where fewer rows differ, at least 2", TypeConverters.toInt)
    initMode: Param[str] = Param("undefined", "initMode", "how the first centers are found: rows far from each other, or any rows, one of k-means||, random", TypeConverters.toString)
    initSteps: Param[int] = Param("undefined", "initSteps", "steps of k-means||, at least 1", TypeConverters.toInt)
    maxIter: Param[int] = Param("undefined", "maxIter", "maximum number of iterations, at least 0", TypeConverters.toInt)
    tol: Param[float] = Param("undefined", "tol", "iterations end when no center moves by more than this distance, at least 0", TypeConverters.toFloat)
    seed: Param[int] = Param("undefined", "seed", "random seed", TypeConverters.toInt)
    distanceMeasure: Param[str] = Param("undefined", "distanceMeasure", "how far vectors are apart, one of euclidean, cosine", TypeConverters.toString)
    _defaults = {
        "featuresCol": "features",
        "predictionCol": "prediction",
        "k": 2,
        "initMode": "k-means||",
        "initSteps": 2,
        "maxIter": 20,
        "tol": 0.0001,
        "seed": 0,
        "distanceMeasure": "euclidean",
    }

    @keyword_only
    def __init__(
        self,
        *,
        featuresCol: str | None = None,
        predictionCol: str | None = None,
        weightCol: str | None = None,
        k: int | None = None,
        initMode: str | None = None,
        initSteps: int | None = None,
        maxIter: int | None = None,
        tol: float | None = None,
        seed: int | None = None,
        distanceMeasure: str | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        featuresCol: str | None = None,
        predictionCol: str | None = None,
        weightCol: str | None = None,
        k: int | None = None,
        initMode: str | None = None,
        initSteps: int | None = None,
        maxIter: int | None = None,
        tol: float | None = None,
        seed: int | None = None,
        distanceMeasure: str | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setWeightCol(self, value: str) -> Self:
        """Sets ``weightCol``."""
        return self._set(weightCol=value)

    def getWeightCol(self) -> str:
        """The value of ``weightCol``."""
        return self.getOrDefault("weightCol")

    def setK(self, value: int) -> Self:
        """Sets ``k``."""
        return self._set(k=value)

    def getK(self) -> int:
        """The value of ``k``."""
        return self.getOrDefault("k")

    def setInitMode(self, value: str) -> Self:
        """Sets ``initMode``."""
        return self._set(initMode=value)

    def getInitMode(self) -> str:
        """The value of ``initMode``."""
        return self.getOrDefault("initMode")

    def setInitSteps(self, value: int) -> Self:
        """Sets ``initSteps``."""
        return self._set(initSteps=value)

    def getInitSteps(self) -> int:
        """The value of ``initSteps``."""
        return self.getOrDefault("initSteps")

    def setMaxIter(self, value: int) -> Self:
        """Sets ``maxIter``."""
        return self._set(maxIter=value)

    def getMaxIter(self) -> int:
        """The value of ``maxIter``."""
        return self.getOrDefault("maxIter")

    def setTol(self, value: float) -> Self:
        """Sets ``tol``."""
        return self._set(tol=value)

    def getTol(self) -> float:
        """The value of ``tol``."""
        return self.getOrDefault("tol")

    def setSeed(self, value: int) -> Self:
        """Sets ``seed``."""
        return self._set(seed=value)

    def getSeed(self) -> int:
        """The value of ``seed``."""
        return self.getOrDefault("seed")

    def setDistanceMeasure(self, value: str) -> Self:
        """Sets ``distanceMeasure``."""
        return self._set(distanceMeasure=value)

    def getDistanceMeasure(self) -> str:
        """The value of ``distanceMeasure``."""
        return self.getOrDefault("distanceMeasure")


class KMeansModel(NativeModel):
    """A fitted ``KMeans``.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``predictionCol``: prediction column name (default: 'prediction')
    """

    _kind = "KMeansModel"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    _defaults = {
        "featuresCol": "features",
        "predictionCol": "prediction",
    }

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def clusterCenters(self) -> list[numpy.ndarray]:
        """The centres of the clusters."""
        return list(self._attribute("clusterCenters"))

    @property
    def numClusters(self) -> int:
        """Number of clusters."""
        return self._attribute("numClusters")

    @property
    def hasSummary(self) -> bool:
        """Whether the model was fitted here, and not loaded."""
        return self._attribute("hasSummary")

    @property
    def summary(self) -> Summary:
        """How training went."""
        return summary_of(self._attribute("summary"))


class KNearestNeighborsClassifier(NativeEstimator):
    """Classification by the ``k`` nearest rows, exactly; ``rawPrediction`` is their votes, ``probability`` the votes'
    shares.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``labelCol``: label column name (default: 'label')
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``rawPredictionCol``: raw prediction (confidence) column name (default: 'rawPrediction')
    - ``probabilityCol``: column name for class probabilities (default: 'probability')
    - ``k``: number of neighbors that vote, at least 1 (default: 5)
    - ``distanceMeasure``: how far vectors are apart, one of euclidean, cosine (default: 'euclidean')
    - ``weights``: uniform: one vote each; distance: 1 / distance, and rows at distance 0 outvote all others, one of
      uniform, distance (default: 'uniform')
    - ``thresholds``: one per class, at most one of them 0: the class with the largest probability / threshold is
      predicted, at least 0 (not set by default)
    """

    _kind = "KNearestNeighborsClassifier"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    labelCol: Param[str] = Param("undefined", "labelCol", "label column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    rawPredictionCol: Param[str] = Param("undefined", "rawPredictionCol", "raw prediction (confidence) column name", TypeConverters.toString)
    probabilityCol: Param[str] = Param("undefined", "probabilityCol", "column name for class probabilities", TypeConverters.toString)
    k: Param[int] = Param("undefined", "k", "number of neighbors that vote, at least 1", TypeConverters.toInt)
    distanceMeasure: Param[str] = Param("undefined", "distanceMeasure", "how far vectors are apart, one of euclidean, cosine", TypeConverters.toString)
    weights: Param[str] = Param("undefined", "weights", "uniform: one vote each; distance: 1 / distance, and rows at distance 0 outvote all others, one of uniform, distance", TypeConverters.toString)
    thresholds: Param[list[float]] = Param("undefined", "thresholds", "one per class, at most one of them 0: the class with the largest probability / threshold is predicted, at least 0", TypeConverters.toListFloat)
    _defaults = {
        "featuresCol": "features",
        "labelCol": "label",
        "predictionCol": "prediction",
        "rawPredictionCol": "rawPrediction",
        "probabilityCol": "probability",
        "k": 5,
        "distanceMeasure": "euclidean",
        "weights": "uniform",
    }

    @keyword_only
    def __init__(
        self,
        *,
        featuresCol: str | None = None,
        labelCol: str | None = None,
        predictionCol: str | None = None,
        rawPredictionCol: str | None = None,
        probabilityCol: str | None = None,
        k: int | None = None,
        distanceMeasure: str | None = None,
        weights: str | None = None,
        thresholds: list[float] | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        featuresCol: str | None = None,
        labelCol: str | None = None,
        predictionCol: str | None = None,
        rawPredictionCol: str | None = None,
        probabilityCol: str | None = None,
        k: int | None = None,
        distanceMeasure: str | None = None,
        weights: str | None = None,
        thresholds: list[float] | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setLabelCol(self, value: str) -> Self:
        """Sets ``labelCol``."""
        return self._set(labelCol=value)

    def getLabelCol(self) -> str:
        """The value of ``labelCol``."""
        return self.getOrDefault("labelCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setRawPredictionCol(self, value: str) -> Self:
        """Sets ``rawPredictionCol``."""
        return self._set(rawPredictionCol=value)

    def getRawPredictionCol(self) -> str:
        """The value of ``rawPredictionCol``."""
        return self.getOrDefault("rawPredictionCol")

    def setProbabilityCol(self, value: str) -> Self:
        """Sets ``probabilityCol``."""
        return self._set(probabilityCol=value)

    def getProbabilityCol(self) -> str:
        """The value of ``probabilityCol``."""
        return self.getOrDefault("probabilityCol")

    def setK(self, value: int) -> Self:
        """Sets ``k``."""
        return self._set(k=value)

    def getK(self) -> int:
        """The value of ``k``."""
        return self.getOrDefault("k")

    def setDistanceMeasure(self, value: str) -> Self:
        """Sets ``distanceMeasure``."""
        return self._set(distanceMeasure=value)

    def getDistanceMeasure(self) -> str:
        """The value of ``distanceMeasure``."""
        return self.getOrDefault("distanceMeasure")

    def setWeights(self, value: str) -> Self:
        """Sets ``weights``."""
        return self._set(weights=value)

    def getWeights(self) -> str:
        """The value of ``weights``."""
        return self.getOrDefault("weights")

    def setThresholds(self, value: list[float]) -> Self:
        """Sets ``thresholds``."""
        return self._set(thresholds=value)

    def getThresholds(self) -> list[float]:
        """The value of ``thresholds``."""
        return self.getOrDefault("thresholds")


class KNearestNeighborsClassifierModel(NativeModel):
    """A fitted ``KNearestNeighborsClassifier``.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``rawPredictionCol``: raw prediction (confidence) column name (default: 'rawPrediction')
    - ``probabilityCol``: column name for class probabilities (default: 'probability')
    - ``thresholds``: one per class, at most one of them 0: the class with the largest probability / threshold is
      predicted, at least 0 (not set by default)
    """

    _kind = "KNearestNeighborsClassifierModel"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    rawPredictionCol: Param[str] = Param("undefined", "rawPredictionCol", "raw prediction (confidence) column name", TypeConverters.toString)
    probabilityCol: Param[str] = Param("undefined", "probabilityCol", "column name for class probabilities", TypeConverters.toString)
    thresholds: Param[list[float]] = Param("undefined", "thresholds", "one per class, at most one of them 0: the class with the largest probability / threshold is predicted, at least 0", TypeConverters.toListFloat)
    _defaults = {
        "featuresCol": "features",
        "predictionCol": "prediction",
        "rawPredictionCol": "rawPrediction",
        "probabilityCol": "probability",
    }

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setRawPredictionCol(self, value: str) -> Self:
        """Sets ``rawPredictionCol``."""
        return self._set(rawPredictionCol=value)

    def getRawPredictionCol(self) -> str:
        """The value of ``rawPredictionCol``."""
        return self.getOrDefault("rawPredictionCol")

    def setProbabilityCol(self, value: str) -> Self:
        """Sets ``probabilityCol``."""
        return self._set(probabilityCol=value)

    def getProbabilityCol(self) -> str:
        """The value of ``probabilityCol``."""
        return self.getOrDefault("probabilityCol")

    def setThresholds(self, value: list[float]) -> Self:
        """Sets ``thresholds``."""
        return self._set(thresholds=value)

    def getThresholds(self) -> list[float]:
        """The value of ``thresholds``."""
        return self.getOrDefault("thresholds")

    @property
    def numClasses(self) -> int:
        """Number of classes."""
        return self._attribute("numClasses")

    @property
    def numRows(self) -> int:
        """Rows that vote."""
        return self._attribute("numRows")


class KerasEstimator(NativeEstimator):
    """A Keras network that is trained on a column of numbers, vectors or tensors, or on several columns (``inputCols``),
    one for each of the network's inputs.

    Params:

    - ``inputCol``: input column name (not set by default)
    - ``inputCols``: in place of inputCol, a column for each of the network's inputs, in their order (not set by
      default)
    - ``outputCol``: output column name (default: uid__output)
    - ``predictionCol``: column of the likeliest class, or of the number that a network with one output for values
      predicts; none if empty (default: 'prediction')
    - ``errorCol``: column that says why a row's output is null; if it is not set, none (not set by default)
    - ``labelCol``: label column name (default: 'label')
    - ``modelFile``: the Keras file (.keras, .h5) of the network that training begins with; with modelName, a file
      with that network's weights (not set by default)
    - ``kerasOptimizer``: Keras' name of an optimizer, or its configuration as JSON, such as {"name": "adam",
      "learning_rate": 0.001} (default: 'adam')
    - ``kerasLoss``: Keras' name of a loss, or its configuration as JSON; if it is not set, the loss that the file was
      compiled with, and of a named network categorical_crossentropy (not set by default)
    - ``kerasMetrics``: Keras' names of metrics; if it is not set, accuracy where the loss is a crossentropy (not set
      by default)
    - ``kerasFitParams``: arguments of Keras' fit as JSON: batch_size, epochs, validation_split, class_weight,
      shuffle, verbose, and callbacks (EarlyStopping, ReduceLROnPlateau, BackupAndRestore), each {"class_name": ...,
      "config": {...}} (default: '{"verbose": 1}')
    - ``learningRate``: the learning rate, in place of kerasOptimizer's, more than 0 (not set by default)
    - ``batchSize``: examples per step, in place of kerasFitParams' batch_size, from 1 to 1048576 (not set by default)
    - ``epochs``: how often all examples are seen, in place of kerasFitParams' epochs, at least 0 (not set by default)
    - ``seed``: random seed (default: 0)
    - ``freezeUntil``: the first layer that trains: those before it keep their weights, beside those that the file
      says are not trainable (not set by default)
    - ``headEpochs``: a first phase of so many epochs in which only the last layer with weights trains; epochs follow
      with all that may, at least 0 (default: 0)
    - ``learningRateFactors``: groups of layers that learn slower or faster, as `layer=factor`: a group begins at its
      layer and ends before the next one's (not set by default)
    - ``initialWeights``: layers whose weights come from elsewhere, as JSON {"layer": "network/layer"}, of a named
      network or a Keras file (not set by default)
    - ``device``: where it is computed: cpu, or cuda, metal, vulkan where they were built in (default: 'cpu')
    - ``checkpointDir``: a folder where a run leaves what it goes on from if it is killed, after every epoch; each run
      has a folder of its own there (not set by default)
    """

    _kind = "KerasEstimator"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    inputCols: Param[list[str]] = Param("undefined", "inputCols", "in place of inputCol, a column for each of the network's inputs, in their order", TypeConverters.toListString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "column of the likeliest class, or of the number that a network with one output for values predicts; none if empty", TypeConverters.toString)
    errorCol: Param[str] = Param("undefined", "errorCol", "column that says why a row's output is null; if it is not set, none", TypeConverters.toString)
    labelCol: Param[str] = Param("undefined", "labelCol", "label column name", TypeConverters.toString)
    modelFile: Param[str] = Param("undefined", "modelFile", "the Keras file (.keras, .h5) of the network that training begins with; with modelName, a file with that network's weights", TypeConverters.toModelFile)
    kerasOptimizer: Param[dict[str, Any]] = Param("undefined", "kerasOptimizer", "Keras' name of an optimizer, or its configuration as JSON, such as {\"name\": \"adam\", \"learning_rate\": 0.001}", TypeConverters.toJson)
    kerasLoss: Param[dict[str, Any]] = Param("undefined", "kerasLoss", "Keras' name of a loss, or its configuration as JSON; if it is not set, the loss that the file was compiled with, and of a named network categorical_crossentropy", TypeConverters.toJson)
    kerasMetrics: Param[list[str]] = Param("undefined", "kerasMetrics", "Keras' names of metrics; if it is not set, accuracy where the loss is a crossentropy", TypeConverters.toListString)
    kerasFitParams: Param[dict[str, Any]] = Param("undefined", "kerasFitParams", "arguments of Keras' fit as JSON: batch_size, epochs, validation_split, class_weight, shuffle, verbose, and callbacks (EarlyStopping, ReduceLROnPlateau, BackupAndRestore), each {\"class_name\": ..., \"config\": {...}}", TypeConverters.toJson)
    learningRate: Param[float] = Param("undefined", "learningRate", "the learning rate, in place of kerasOptimizer's, more than 0", TypeConverters.toFloat)
    batchSize: Param[int] = Param("undefined", "batchSize", "examples per step, in place of kerasFitParams' batch_size, from 1 to 1048576", TypeConverters.toInt)
    epochs: Param[int] = Param("undefined", "epochs", "how often all examples are seen, in place of kerasFitParams' epochs, at least 0", TypeConverters.toInt)
    seed: Param[int] = Param("undefined", "seed", "random seed", TypeConverters.toInt)
    freezeUntil: Param[str] = Param("undefined", "freezeUntil", "the first layer that trains: those before it keep their weights, beside those that the file says are not trainable", TypeConverters.toString)
    headEpochs: Param[int] = Param("undefined", "headEpochs", "a first phase of so many epochs in which only the last layer with weights trains; epochs follow with all that may, at least 0", TypeConverters.toInt)
    learningRateFactors: Param[list[str]] = Param("undefined", "learningRateFactors", "groups of layers that learn slower or faster, as `layer=factor`: a group begins at its layer and ends before the next one's", TypeConverters.toListString)
    initialWeights: Param[dict[str, Any]] = Param("undefined", "initialWeights", "layers whose weights come from elsewhere, as JSON {\"layer\": \"network/layer\"}, of a named network or a Keras file", TypeConverters.toJson)
    device: Param[str] = Param("undefined", "device", "where it is computed: cpu, or cuda, metal, vulkan where they were built in", TypeConverters.toString)
    checkpointDir: Param[str] = Param("undefined", "checkpointDir", "a folder where a run leaves what it goes on from if it is killed, after every epoch; each run has a folder of its own there", TypeConverters.toString)
    _defaults = {
        "predictionCol": "prediction",
        "labelCol": "label",
        "kerasOptimizer": "adam",
        "kerasFitParams": {"verbose": 1},
        "seed": 0,
        "headEpochs": 0,
        "device": "cpu",
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        inputCols: list[str] | None = None,
        outputCol: str | None = None,
        predictionCol: str | None = None,
        errorCol: str | None = None,
        labelCol: str | None = None,
        modelFile: str | None = None,
        kerasOptimizer: dict[str, Any] | None = None,
        kerasLoss: dict[str, Any] | None = None,
        kerasMetrics: list[str] | None = None,
        kerasFitParams: dict[str, Any] | None = None,
        learningRate: float | None = None,
        batchSize: int | None = None,
        epochs: int | None = None,
        seed: int | None = None,
        freezeUntil: str | None = None,
        headEpochs: int | None = None,
        learningRateFactors: list[str] | None = None,
        initialWeights: dict[str, Any] | None = None,
        device: str | None = None,
        checkpointDir: str | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        inputCols: list[str] | None = None,
        outputCol: str | None = None,
        predictionCol: str | None = None,
        errorCol: str | None = None,
        labelCol: str | None = None,
        modelFile: str | None = None,
        kerasOptimizer: dict[str, Any] | None = None,
        kerasLoss: dict[str, Any] | None = None,
        kerasMetrics: list[str] | None = None,
        kerasFitParams: dict[str, Any] | None = None,
        learningRate: float | None = None,
        batchSize: int | None = None,
        epochs: int | None = None,
        seed: int | None = None,
        freezeUntil: str | None = None,
        headEpochs: int | None = None,
        learningRateFactors: list[str] | None = None,
        initialWeights: dict[str, Any] | None = None,
        device: str | None = None,
        checkpointDir: str | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setInputCols(self, value: list[str]) -> Self:
        """Sets ``inputCols``."""
        return self._set(inputCols=value)

    def getInputCols(self) -> list[str]:
        """The value of ``inputCols``."""
        return self.getOrDefault("inputCols")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setErrorCol(self, value: str) -> Self:
        """Sets ``errorCol``."""
        return self._set(errorCol=value)

    def getErrorCol(self) -> str:
        """The value of ``errorCol``."""
        return self.getOrDefault("errorCol")

    def setLabelCol(self, value: str) -> Self:
        """Sets ``labelCol``."""
        return self._set(labelCol=value)

    def getLabelCol(self) -> str:
        """The value of ``labelCol``."""
        return self.getOrDefault("labelCol")

    def setModelFile(self, value: str) -> Self:
        """Sets ``modelFile``."""
        return self._set(modelFile=value)

    def getModelFile(self) -> str:
        """The value of ``modelFile``."""
        return self.getOrDefault("modelFile")

    def setKerasOptimizer(self, value: dict[str, Any]) -> Self:
        """Sets ``kerasOptimizer``."""
        return self._set(kerasOptimizer=value)

    def getKerasOptimizer(self) -> dict[str, Any]:
        """The value of ``kerasOptimizer``."""
        return self.getOrDefault("kerasOptimizer")

    def setKerasLoss(self, value: dict[str, Any]) -> Self:
        """Sets ``kerasLoss``."""
        return self._set(kerasLoss=value)

    def getKerasLoss(self) -> dict[str, Any]:
        """The value of ``kerasLoss``."""
        return self.getOrDefault("kerasLoss")

    def setKerasMetrics(self, value: list[str]) -> Self:
        """Sets ``kerasMetrics``."""
        return self._set(kerasMetrics=value)

    def getKerasMetrics(self) -> list[str]:
        """The value of ``kerasMetrics``."""
        return self.getOrDefault("kerasMetrics")

    def setKerasFitParams(self, value: dict[str, Any]) -> Self:
        """Sets ``kerasFitParams``."""
        return self._set(kerasFitParams=value)

    def getKerasFitParams(self) -> dict[str, Any]:
        """The value of ``kerasFitParams``."""
        return self.getOrDefault("kerasFitParams")

    def setLearningRate(self, value: float) -> Self:
        """Sets ``learningRate``."""
        return self._set(learningRate=value)

    def getLearningRate(self) -> float:
        """The value of ``learningRate``."""
        return self.getOrDefault("learningRate")

    def setBatchSize(self, value: int) -> Self:
        """Sets ``batchSize``."""
        return self._set(batchSize=value)

    def getBatchSize(self) -> int:
        """The value of ``batchSize``."""
        return self.getOrDefault("batchSize")

    def setEpochs(self, value: int) -> Self:
        """Sets ``epochs``."""
        return self._set(epochs=value)

    def getEpochs(self) -> int:
        """The value of ``epochs``."""
        return self.getOrDefault("epochs")

    def setSeed(self, value: int) -> Self:
        """Sets ``seed``."""
        return self._set(seed=value)

    def getSeed(self) -> int:
        """The value of ``seed``."""
        return self.getOrDefault("seed")

    def setFreezeUntil(self, value: str) -> Self:
        """Sets ``freezeUntil``."""
        return self._set(freezeUntil=value)

    def getFreezeUntil(self) -> str:
        """The value of ``freezeUntil``."""
        return self.getOrDefault("freezeUntil")

    def setHeadEpochs(self, value: int) -> Self:
        """Sets ``headEpochs``."""
        return self._set(headEpochs=value)

    def getHeadEpochs(self) -> int:
        """The value of ``headEpochs``."""
        return self.getOrDefault("headEpochs")

    def setLearningRateFactors(self, value: list[str]) -> Self:
        """Sets ``learningRateFactors``."""
        return self._set(learningRateFactors=value)

    def getLearningRateFactors(self) -> list[str]:
        """The value of ``learningRateFactors``."""
        return self.getOrDefault("learningRateFactors")

    def setInitialWeights(self, value: dict[str, Any]) -> Self:
        """Sets ``initialWeights``."""
        return self._set(initialWeights=value)

    def getInitialWeights(self) -> dict[str, Any]:
        """The value of ``initialWeights``."""
        return self.getOrDefault("initialWeights")

    def setDevice(self, value: str) -> Self:
        """Sets ``device``."""
        return self._set(device=value)

    def getDevice(self) -> str:
        """The value of ``device``."""
        return self.getOrDefault("device")

    def setCheckpointDir(self, value: str) -> Self:
        """Sets ``checkpointDir``."""
        return self._set(checkpointDir=value)

    def getCheckpointDir(self) -> str:
        """The value of ``checkpointDir``."""
        return self.getOrDefault("checkpointDir")


class KerasImageFileEstimator(NativeEstimator):
    """sparkdl's ``KerasImageFileEstimator``: a Keras network that is trained on images, or a named network that is fine-
    tuned.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``predictionCol``: column of the likeliest class, or of the number that a network with one output for values
      predicts; none if empty (default: 'prediction')
    - ``errorCol``: column that says why a row's output is null; if it is not set, none (not set by default)
    - ``labelCol``: label column name (default: 'label')
    - ``modelFile``: the Keras file (.keras, .h5) of the network that training begins with; with modelName, a file
      with that network's weights (not set by default)
    - ``kerasOptimizer``: Keras' name of an optimizer, or its configuration as JSON, such as {"name": "adam",
      "learning_rate": 0.001} (default: 'adam')
    - ``kerasLoss``: Keras' name of a loss, or its configuration as JSON; if it is not set, the loss that the file was
      compiled with, and of a named network categorical_crossentropy (not set by default)
    - ``kerasMetrics``: Keras' names of metrics; if it is not set, accuracy where the loss is a crossentropy (not set
      by default)
    - ``kerasFitParams``: arguments of Keras' fit as JSON: batch_size, epochs, validation_split, class_weight,
      shuffle, verbose, and callbacks (EarlyStopping, ReduceLROnPlateau, BackupAndRestore), each {"class_name": ...,
      "config": {...}} (default: '{"verbose": 1}')
    - ``learningRate``: the learning rate, in place of kerasOptimizer's, more than 0 (not set by default)
    - ``batchSize``: examples per step, in place of kerasFitParams' batch_size, from 1 to 1048576 (not set by default)
    - ``epochs``: how often all examples are seen, in place of kerasFitParams' epochs, at least 0 (not set by default)
    - ``seed``: random seed (default: 0)
    - ``freezeUntil``: the first layer that trains: those before it keep their weights, beside those that the file
      says are not trainable (not set by default)
    - ``headEpochs``: a first phase of so many epochs in which only the last layer with weights trains; epochs follow
      with all that may, at least 0 (default: 0)
    - ``learningRateFactors``: groups of layers that learn slower or faster, as `layer=factor`: a group begins at its
      layer and ends before the next one's (not set by default)
    - ``initialWeights``: layers whose weights come from elsewhere, as JSON {"layer": "network/layer"}, of a named
      network or a Keras file (not set by default)
    - ``device``: where it is computed: cpu, or cuda, metal, vulkan where they were built in (default: 'cpu')
    - ``checkpointDir``: a folder where a run leaves what it goes on from if it is killed, after every epoch; each run
      has a folder of its own there (not set by default)
    - ``outputMode``: whether the output is a vector, or an image of the output's height and width; training does not
      depend on it, one of vector, image (default: 'vector')
    - ``modelName``: a named network to fine-tune, in place of modelFile: it gets a new head, a Dense layer called
      `head` with a softmax over the labels (not set by default)
    - ``channelOrder``: the channels that the network takes: RGB, BGR or L (gray); if it is not set, RGB of three and
      L of one, one of L, RGB, BGR (not set by default)
    - ``scaleHint``: how images are brought to the network's size; if it is not set, as the network's card says, one
      of bilinear, bicubic, area, nearest, SCALE_AREA_AVERAGING, SCALE_SMOOTH, SCALE_DEFAULT, SCALE_FAST,
      SCALE_REPLICATE (not set by default)
    - ``scale``: pixels from 0 to 255 are multiplied by it, as Keras' Rescaling does; named networks have a
      preprocessing of their own (default: 1.0)
    - ``offset``: added to pixels after they are multiplied by scale (default: 0.0)
    - ``augmentation``: what happens to training images, anew in every epoch, as JSON: horizontal_flip, vertical_flip
      (true), crop, brightness, contrast, saturation (shares), rotation (degrees), mixup (alpha) (not set by default)
    """

    _kind = "KerasImageFileEstimator"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "column of the likeliest class, or of the number that a network with one output for values predicts; none if empty", TypeConverters.toString)
    errorCol: Param[str] = Param("undefined", "errorCol", "column that says why a row's output is null; if it is not set, none", TypeConverters.toString)
    labelCol: Param[str] = Param("undefined", "labelCol", "label column name", TypeConverters.toString)
    modelFile: Param[str] = Param("undefined", "modelFile", "the Keras file (.keras, .h5) of the network that training begins with; with modelName, a file with that network's weights", TypeConverters.toModelFile)
    kerasOptimizer: Param[dict[str, Any]] = Param("undefined", "kerasOptimizer", "Keras' name of an optimizer, or its configuration as JSON, such as {\"name\": \"adam\", \"learning_rate\": 0.001}", TypeConverters.toJson)
    kerasLoss: Param[dict[str, Any]] = Param("undefined", "kerasLoss", "Keras' name of a loss, or its configuration as JSON; if it is not set, the loss that the file was compiled with, and of a named network categorical_crossentropy", TypeConverters.toJson)
    kerasMetrics: Param[list[str]] = Param("undefined", "kerasMetrics", "Keras' names of metrics; if it is not set, accuracy where the loss is a crossentropy", TypeConverters.toListString)
    kerasFitParams: Param[dict[str, Any]] = Param("undefined", "kerasFitParams", "arguments of Keras' fit as JSON: batch_size, epochs, validation_split, class_weight, shuffle, verbose, and callbacks (EarlyStopping, ReduceLROnPlateau, BackupAndRestore), each {\"class_name\": ..., \"config\": {...}}", TypeConverters.toJson)
    learningRate: Param[float] = Param("undefined", "learningRate", "the learning rate, in place of kerasOptimizer's, more than 0", TypeConverters.toFloat)
    batchSize: Param[int] = Param("undefined", "batchSize", "examples per step, in place of kerasFitParams' batch_size, from 1 to 1048576", TypeConverters.toInt)
    epochs: Param[int] = Param("undefined", "epochs", "how often all examples are seen, in place of kerasFitParams' epochs, at least 0", TypeConverters.toInt)
    seed: Param[int] = Param("undefined", "seed", "random seed", TypeConverters.toInt)
    freezeUntil: Param[str] = Param("undefined", "freezeUntil", "the first layer that trains: those before it keep their weights, beside those that the file says are not trainable", TypeConverters.toString)
    headEpochs: Param[int] = Param("undefined", "headEpochs", "a first phase of so many epochs in which only the last layer with weights trains; epochs follow with all that may, at least 0", TypeConverters.toInt)
    learningRateFactors: Param[list[str]] = Param("undefined", "learningRateFactors", "groups of layers that learn slower or faster, as `layer=factor`: a group begins at its layer and ends before the next one's", TypeConverters.toListString)
    initialWeights: Param[dict[str, Any]] = Param("undefined", "initialWeights", "layers whose weights come from elsewhere, as JSON {\"layer\": \"network/layer\"}, of a named network or a Keras file", TypeConverters.toJson)
    device: Param[str] = Param("undefined", "device", "where it is computed: cpu, or cuda, metal, vulkan where they were built in", TypeConverters.toString)
    checkpointDir: Param[str] = Param("undefined", "checkpointDir", "a folder where a run leaves what it goes on from if it is killed, after every epoch; each run has a folder of its own there", TypeConverters.toString)
    outputMode: Param[str] = Param("undefined", "outputMode", "whether the output is a vector, or an image of the output's height and width; training does not depend on it, one of vector, image", TypeConverters.toString)
    modelName: Param[str] = Param("undefined", "modelName", "a named network to fine-tune, in place of modelFile: it gets a new head, a Dense layer called `head` with a softmax over the labels", TypeConverters.toString)
    channelOrder: Param[str] = Param("undefined", "channelOrder", "the channels that the network takes: RGB, BGR or L (gray); if it is not set, RGB of three and L of one, one of L, RGB, BGR", TypeConverters.toString)
    scaleHint: Param[str] = Param("undefined", "scaleHint", "how images are brought to the network's size; if it is not set, as the network's card says, one of bilinear, bicubic, area, nearest, SCALE_AREA_AVERAGING, SCALE_SMOOTH, SCALE_DEFAULT, SCALE_FAST, SCALE_REPLICATE", TypeConverters.toString)
    scale: Param[float] = Param("undefined", "scale", "pixels from 0 to 255 are multiplied by it, as Keras' Rescaling does; named networks have a preprocessing of their own", TypeConverters.toFloat)
    offset: Param[float] = Param("undefined", "offset", "added to pixels after they are multiplied by scale", TypeConverters.toFloat)
    augmentation: Param[dict[str, Any]] = Param("undefined", "augmentation", "what happens to training images, anew in every epoch, as JSON: horizontal_flip, vertical_flip (true), crop, brightness, contrast, saturation (shares), rotation (degrees), mixup (alpha)", TypeConverters.toJson)
    _defaults = {
        "predictionCol": "prediction",
        "labelCol": "label",
        "kerasOptimizer": "adam",
        "kerasFitParams": {"verbose": 1},
        "seed": 0,
        "headEpochs": 0,
        "device": "cpu",
        "outputMode": "vector",
        "scale": 1.0,
        "offset": 0.0,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        predictionCol: str | None = None,
        errorCol: str | None = None,
        labelCol: str | None = None,
        modelFile: str | None = None,
        kerasOptimizer: dict[str, Any] | None = None,
        kerasLoss: dict[str, Any] | None = None,
        kerasMetrics: list[str] | None = None,
        kerasFitParams: dict[str, Any] | None = None,
        learningRate: float | None = None,
        batchSize: int | None = None,
        epochs: int | None = None,
        seed: int | None = None,
        freezeUntil: str | None = None,
        headEpochs: int | None = None,
        learningRateFactors: list[str] | None = None,
        initialWeights: dict[str, Any] | None = None,
        device: str | None = None,
        checkpointDir: str | None = None,
        outputMode: str | None = None,
        modelName: str | None = None,
        channelOrder: str | None = None,
        scaleHint: str | None = None,
        scale: float | None = None,
        offset: float | None = None,
        augmentation: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        predictionCol: str | None = None,
        errorCol: str | None = None,
        labelCol: str | None = None,
        modelFile: str | None = None,
        kerasOptimizer: dict[str, Any] | None = None,
        kerasLoss: dict[str, Any] | None = None,
        kerasMetrics: list[str] | None = None,
        kerasFitParams: dict[str, Any] | None = None,
        learningRate: float | None = None,
        batchSize: int | None = None,
        epochs: int | None = None,
        seed: int | None = None,
        freezeUntil: str | None = None,
        headEpochs: int | None = None,
        learningRateFactors: list[str] | None = None,
        initialWeights: dict[str, Any] | None = None,
        device: str | None = None,
        checkpointDir: str | None = None,
        outputMode: str | None = None,
        modelName: str | None = None,
        channelOrder: str | None = None,
        scaleHint: str | None = None,
        scale: float | None = None,
        offset: float | None = None,
        augmentation: dict[str, Any] | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setErrorCol(self, value: str) -> Self:
        """Sets ``errorCol``."""
        return self._set(errorCol=value)

    def getErrorCol(self) -> str:
        """The value of ``errorCol``."""
        return self.getOrDefault("errorCol")

    def setLabelCol(self, value: str) -> Self:
        """Sets ``labelCol``."""
        return self._set(labelCol=value)

    def getLabelCol(self) -> str:
        """The value of ``labelCol``."""
        return self.getOrDefault("labelCol")

    def setModelFile(self, value: str) -> Self:
        """Sets ``modelFile``."""
        return self._set(modelFile=value)

    def getModelFile(self) -> str:
        """The value of ``modelFile``."""
        return self.getOrDefault("modelFile")

    def setKerasOptimizer(self, value: dict[str, Any]) -> Self:
        """Sets ``kerasOptimizer``."""
        return self._set(kerasOptimizer=value)

    def getKerasOptimizer(self) -> dict[str, Any]:
        """The value of ``kerasOptimizer``."""
        return self.getOrDefault("kerasOptimizer")

    def setKerasLoss(self, value: dict[str, Any]) -> Self:
        """Sets ``kerasLoss``."""
        return self._set(kerasLoss=value)

    def getKerasLoss(self) -> dict[str, Any]:
        """The value of ``kerasLoss``."""
        return self.getOrDefault("kerasLoss")

    def setKerasMetrics(self, value: list[str]) -> Self:
        """Sets ``kerasMetrics``."""
        return self._set(kerasMetrics=value)

    def getKerasMetrics(self) -> list[str]:
        """The value of ``kerasMetrics``."""
        return self.getOrDefault("kerasMetrics")

    def setKerasFitParams(self, value: dict[str, Any]) -> Self:
        """Sets ``kerasFitParams``."""
        return self._set(kerasFitParams=value)

    def getKerasFitParams(self) -> dict[str, Any]:
        """The value of ``kerasFitParams``."""
        return self.getOrDefault("kerasFitParams")

    def setLearningRate(self, value: float) -> Self:
        """Sets ``learningRate``."""
        return self._set(learningRate=value)

    def getLearningRate(self) -> float:
        """The value of ``learningRate``."""
        return self.getOrDefault("learningRate")

    def setBatchSize(self, value: int) -> Self:
        """Sets ``batchSize``."""
        return self._set(batchSize=value)

    def getBatchSize(self) -> int:
        """The value of ``batchSize``."""
        return self.getOrDefault("batchSize")

    def setEpochs(self, value: int) -> Self:
        """Sets ``epochs``."""
        return self._set(epochs=value)

    def getEpochs(self) -> int:
        """The value of ``epochs``."""
        return self.getOrDefault("epochs")

    def setSeed(self, value: int) -> Self:
        """Sets ``seed``."""
        return self._set(seed=value)

    def getSeed(self) -> int:
        """The value of ``seed``."""
        return self.getOrDefault("seed")

    def setFreezeUntil(self, value: str) -> Self:
        """Sets ``freezeUntil``."""
        return self._set(freezeUntil=value)

    def getFreezeUntil(self) -> str:
        """The value of ``freezeUntil``."""
        return self.getOrDefault("freezeUntil")

    def setHeadEpochs(self, value: int) -> Self:
        """Sets ``headEpochs``."""
        return self._set(headEpochs=value)

    def getHeadEpochs(self) -> int:
        """The value of ``headEpochs``."""
        return self.getOrDefault("headEpochs")

    def setLearningRateFactors(self, value: list[str]) -> Self:
        """Sets ``learningRateFactors``."""
        return self._set(learningRateFactors=value)

    def getLearningRateFactors(self) -> list[str]:
        """The value of ``learningRateFactors``."""
        return self.getOrDefault("learningRateFactors")

    def setInitialWeights(self, value: dict[str, Any]) -> Self:
        """Sets ``initialWeights``."""
        return self._set(initialWeights=value)

    def getInitialWeights(self) -> dict[str, Any]:
        """The value of ``initialWeights``."""
        return self.getOrDefault("initialWeights")

    def setDevice(self, value: str) -> Self:
        """Sets ``device``."""
        return self._set(device=value)

    def getDevice(self) -> str:
        """The value of ``device``."""
        return self.getOrDefault("device")

    def setCheckpointDir(self, value: str) -> Self:
        """Sets ``checkpointDir``."""
        return self._set(checkpointDir=value)

    def getCheckpointDir(self) -> str:
        """The value of ``checkpointDir``."""
        return self.getOrDefault("checkpointDir")

    def setOutputMode(self, value: str) -> Self:
        """Sets ``outputMode``."""
        return self._set(outputMode=value)

    def getOutputMode(self) -> str:
        """The value of ``outputMode``."""
        return self.getOrDefault("outputMode")

    def setModelName(self, value: str) -> Self:
        """Sets ``modelName``."""
        return self._set(modelName=value)

    def getModelName(self) -> str:
        """The value of ``modelName``."""
        return self.getOrDefault("modelName")

    def setChannelOrder(self, value: str) -> Self:
        """Sets ``channelOrder``."""
        return self._set(channelOrder=value)

    def getChannelOrder(self) -> str:
        """The value of ``channelOrder``."""
        return self.getOrDefault("channelOrder")

    def setScaleHint(self, value: str) -> Self:
        """Sets ``scaleHint``."""
        return self._set(scaleHint=value)

    def getScaleHint(self) -> str:
        """The value of ``scaleHint``."""
        return self.getOrDefault("scaleHint")

    def setScale(self, value: float) -> Self:
        """Sets ``scale``."""
        return self._set(scale=value)

    def getScale(self) -> float:
        """The value of ``scale``."""
        return self.getOrDefault("scale")

    def setOffset(self, value: float) -> Self:
        """Sets ``offset``."""
        return self._set(offset=value)

    def getOffset(self) -> float:
        """The value of ``offset``."""
        return self.getOrDefault("offset")

    def setAugmentation(self, value: dict[str, Any]) -> Self:
        """Sets ``augmentation``."""
        return self._set(augmentation=value)

    def getAugmentation(self) -> dict[str, Any]:
        """The value of ``augmentation``."""
        return self.getOrDefault("augmentation")


class KerasImageFileModel(TrainedNetwork):
    """A fitted ``KerasImageFileEstimator``.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``predictionCol``: column of the likeliest class, or of the number that a network with one output for values
      predicts; none if empty (default: 'prediction')
    - ``errorCol``: column that says why a row's output is null; if it is not set, none (not set by default)
    - ``outputMode``: whether the output is a vector, or an image of the output's height and width; training does not
      depend on it, one of vector, image (default: 'vector')
    """

    _kind = "KerasImageFileModel"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "column of the likeliest class, or of the number that a network with one output for values predicts; none if empty", TypeConverters.toString)
    errorCol: Param[str] = Param("undefined", "errorCol", "column that says why a row's output is null; if it is not set, none", TypeConverters.toString)
    outputMode: Param[str] = Param("undefined", "outputMode", "whether the output is a vector, or an image of the output's height and width; training does not depend on it, one of vector, image", TypeConverters.toString)
    _defaults = {
        "predictionCol": "prediction",
        "outputMode": "vector",
    }
    _defaults_from_uid = {"outputCol": "__output"}

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setErrorCol(self, value: str) -> Self:
        """Sets ``errorCol``."""
        return self._set(errorCol=value)

    def getErrorCol(self) -> str:
        """The value of ``errorCol``."""
        return self.getOrDefault("errorCol")

    def setOutputMode(self, value: str) -> Self:
        """Sets ``outputMode``."""
        return self._set(outputMode=value)

    def getOutputMode(self) -> str:
        """The value of ``outputMode``."""
        return self.getOrDefault("outputMode")

    @property
    def history(self) -> dict[str, list[float]]:
        """Loss and metrics of every epoch, by the names that Keras' History has."""
        return self._attribute("history")

    @property
    def bestEpoch(self) -> int:
        """The epoch, from 1, that was best by what early stopping watches, or by the loss, of the validation where there
        is one.
        """
        return self._attribute("bestEpoch")

    @property
    def stoppedEarly(self) -> bool:
        """Whether early stopping ended the training."""
        return self._attribute("stoppedEarly")

    @property
    def labels(self) -> list[str] | None:
        """The names of the classes, where labels have them."""
        return self._attribute("labels")

    @property
    def hasSummary(self) -> bool:
        """Whether the model was fitted here, and not loaded."""
        return self._attribute("hasSummary")

    @property
    def summary(self) -> Summary:
        """What it was trained on, and how many rows were left out."""
        return summary_of(self._attribute("summary"))

    @property
    def kerasFile(self) -> bytes:
        """The trained network as a .keras file."""
        return self._attribute("kerasFile")


class KerasImageFileTransformer(NativeTransformer):
    """sparkdl's ``KerasImageFileTransformer``: a Keras model over images. In place of a loader in Python there are the
    size that the model fixes and ``channelOrder``, RGB unless set; what else the model wants of pixels it has to do
    itself, in a ``Rescaling`` layer for one.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``errorCol``: column that says why a row's output is null; if it is not set, none (not set by default)
    - ``modelFile``: the file of the model (required)
    - ``channelOrder``: the channels that the model takes: RGB, BGR or L (gray), one of L, RGB, BGR (required)
    - ``outputTensor``: the output, or an inner tensor; if it is not set, the model's only output (not set by default)
    - ``outputMode``: whether the output is a vector, or an image of the output's height and width, one of vector,
      image (default: 'vector')
    - ``scaleHint``: how images are brought to the network's size; if it is not set, as the network's card says, one
      of bilinear, bicubic, area, nearest, SCALE_AREA_AVERAGING, SCALE_SMOOTH, SCALE_DEFAULT, SCALE_FAST,
      SCALE_REPLICATE (not set by default)
    - ``height``: rows of pixels that the model is given, where it leaves them open, from 1 to 65535 (not set by
      default)
    - ``width``: pixels per row that the model is given, where it leaves them open, from 1 to 65535 (not set by
      default)
    - ``batchSize``: rows per run of the model, where the model leaves their number open, from 1 to 65536 (default:
      32)
    """

    _kind = "KerasImageFileTransformer"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    errorCol: Param[str] = Param("undefined", "errorCol", "column that says why a row's output is null; if it is not set, none", TypeConverters.toString)
    modelFile: Param[str] = Param("undefined", "modelFile", "the file of the model", TypeConverters.toString)
    channelOrder: Param[str] = Param("undefined", "channelOrder", "the channels that the model takes: RGB, BGR or L (gray), one of L, RGB, BGR", TypeConverters.toString)
    outputTensor: Param[str] = Param("undefined", "outputTensor", "the output, or an inner tensor; if it is not set, the model's only output", TypeConverters.toString)
    outputMode: Param[str] = Param("undefined", "outputMode", "whether the output is a vector, or an image of the output's height and width, one of vector, image", TypeConverters.toString)
    scaleHint: Param[str] = Param("undefined", "scaleHint", "how images are brought to the network's size; if it is not set, as the network's card says, one of bilinear, bicubic, area, nearest, SCALE_AREA_AVERAGING, SCALE_SMOOTH, SCALE_DEFAULT, SCALE_FAST, SCALE_REPLICATE", TypeConverters.toString)
    height: Param[int] = Param("undefined", "height", "rows of pixels that the model is given, where it leaves them open, from 1 to 65535", TypeConverters.toInt)
    width: Param[int] = Param("undefined", "width", "pixels per row that the model is given, where it leaves them open, from 1 to 65535", TypeConverters.toInt)
    batchSize: Param[int] = Param("undefined", "batchSize", "rows per run of the model, where the model leaves their number open, from 1 to 65536", TypeConverters.toInt)
    _defaults = {
        "channelOrder": "RGB",
        "outputMode": "vector",
        "batchSize": 32,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        errorCol: str | None = None,
        modelFile: str | None = None,
        channelOrder: str | None = None,
        outputTensor: str | None = None,
        outputMode: str | None = None,
        scaleHint: str | None = None,
        height: int | None = None,
        width: int | None = None,
        batchSize: int | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        errorCol: str | None = None,
        modelFile: str | None = None,
        channelOrder: str | None = None,
        outputTensor: str | None = None,
        outputMode: str | None = None,
        scaleHint: str | None = None,
        height: int | None = None,
        width: int | None = None,
        batchSize: int | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setErrorCol(self, value: str) -> Self:
        """Sets ``errorCol``."""
        return self._set(errorCol=value)

    def getErrorCol(self) -> str:
        """The value of ``errorCol``."""
        return self.getOrDefault("errorCol")

    def setModelFile(self, value: str) -> Self:
        """Sets ``modelFile``."""
        return self._set(modelFile=value)

    def getModelFile(self) -> str:
        """The value of ``modelFile``."""
        return self.getOrDefault("modelFile")

    def setChannelOrder(self, value: str) -> Self:
        """Sets ``channelOrder``."""
        return self._set(channelOrder=value)

    def getChannelOrder(self) -> str:
        """The value of ``channelOrder``."""
        return self.getOrDefault("channelOrder")

    def setOutputTensor(self, value: str) -> Self:
        """Sets ``outputTensor``."""
        return self._set(outputTensor=value)

    def getOutputTensor(self) -> str:
        """The value of ``outputTensor``."""
        return self.getOrDefault("outputTensor")

    def setOutputMode(self, value: str) -> Self:
        """Sets ``outputMode``."""
        return self._set(outputMode=value)

    def getOutputMode(self) -> str:
        """The value of ``outputMode``."""
        return self.getOrDefault("outputMode")

    def setScaleHint(self, value: str) -> Self:
        """Sets ``scaleHint``."""
        return self._set(scaleHint=value)

    def getScaleHint(self) -> str:
        """The value of ``scaleHint``."""
        return self.getOrDefault("scaleHint")

    def setHeight(self, value: int) -> Self:
        """Sets ``height``."""
        return self._set(height=value)

    def getHeight(self) -> int:
        """The value of ``height``."""
        return self.getOrDefault("height")

    def setWidth(self, value: int) -> Self:
        """Sets ``width``."""
        return self._set(width=value)

    def getWidth(self) -> int:
        """The value of ``width``."""
        return self.getOrDefault("width")

    def setBatchSize(self, value: int) -> Self:
        """Sets ``batchSize``."""
        return self._set(batchSize=value)

    def getBatchSize(self) -> int:
        """The value of ``batchSize``."""
        return self.getOrDefault("batchSize")


class KerasModel(TrainedNetwork):
    """A fitted ``KerasEstimator``.

    Params:

    - ``inputCol``: input column name (not set by default)
    - ``inputCols``: in place of inputCol, a column for each of the network's inputs, in their order (not set by
      default)
    - ``outputCol``: output column name (default: uid__output)
    - ``predictionCol``: column of the likeliest class, or of the number that a network with one output for values
      predicts; none if empty (default: 'prediction')
    - ``errorCol``: column that says why a row's output is null; if it is not set, none (not set by default)
    """

    _kind = "KerasModel"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    inputCols: Param[list[str]] = Param("undefined", "inputCols", "in place of inputCol, a column for each of the network's inputs, in their order", TypeConverters.toListString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "column of the likeliest class, or of the number that a network with one output for values predicts; none if empty", TypeConverters.toString)
    errorCol: Param[str] = Param("undefined", "errorCol", "column that says why a row's output is null; if it is not set, none", TypeConverters.toString)
    _defaults = {
        "predictionCol": "prediction",
    }
    _defaults_from_uid = {"outputCol": "__output"}

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setInputCols(self, value: list[str]) -> Self:
        """Sets ``inputCols``."""
        return self._set(inputCols=value)

    def getInputCols(self) -> list[str]:
        """The value of ``inputCols``."""
        return self.getOrDefault("inputCols")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setErrorCol(self, value: str) -> Self:
        """Sets ``errorCol``."""
        return self._set(errorCol=value)

    def getErrorCol(self) -> str:
        """The value of ``errorCol``."""
        return self.getOrDefault("errorCol")

    @property
    def history(self) -> dict[str, list[float]]:
        """Loss and metrics of every epoch, by the names that Keras' History has."""
        return self._attribute("history")

    @property
    def bestEpoch(self) -> int:
        """The epoch, from 1, that was best by what early stopping watches, or by the loss, of the validation where there
        is one.
        """
        return self._attribute("bestEpoch")

    @property
    def stoppedEarly(self) -> bool:
        """Whether early stopping ended the training."""
        return self._attribute("stoppedEarly")

    @property
    def labels(self) -> list[str] | None:
        """The names of the classes, where labels have them."""
        return self._attribute("labels")

    @property
    def hasSummary(self) -> bool:
        """Whether the model was fitted here, and not loaded."""
        return self._attribute("hasSummary")

    @property
    def summary(self) -> Summary:
        """What it was trained on, and how many rows were left out."""
        return summary_of(self._attribute("summary"))

    @property
    def kerasFile(self) -> bytes:
        """The trained network as a .keras file."""
        return self._attribute("kerasFile")


class KerasTransformer(NativeTransformer):
    """sparkdl's ``KerasTransformer``: a Keras model as a stage. Outputs are layers.

    Params:

    - ``inputCol``: the column of a model with one input (not set by default)
    - ``outputCol``: output column name (default: uid__output)
    - ``inputMapping``: a column for each input of the model, as `column=input`; in place of inputCol (not set by
      default)
    - ``outputMapping``: the outputs wanted and their columns, as `output=column`; in place of outputCol. Inner
      tensors may be named, too (not set by default)
    - ``errorCol``: column that says why a row's output is null; if it is not set, none (not set by default)
    - ``modelFile``: the file of the model (required)
    - ``batchSize``: rows per run of the model, where the model leaves their number open, from 1 to 65536 (default:
      32)
    """

    _kind = "KerasTransformer"
    inputCol: Param[str] = Param("undefined", "inputCol", "the column of a model with one input", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    inputMapping: Param[list[str]] = Param("undefined", "inputMapping", "a column for each input of the model, as `column=input`; in place of inputCol", TypeConverters.toListString)
    outputMapping: Param[list[str]] = Param("undefined", "outputMapping", "the outputs wanted and their columns, as `output=column`; in place of outputCol. Inner tensors may be named, too", TypeConverters.toListString)
    errorCol: Param[str] = Param("undefined", "errorCol", "column that says why a row's output is null; if it is not set, none", TypeConverters.toString)
    modelFile: Param[str] = Param("undefined", "modelFile", "the file of the model", TypeConverters.toString)
    batchSize: Param[int] = Param("undefined", "batchSize", "rows per run of the model, where the model leaves their number open, from 1 to 65536", TypeConverters.toInt)
    _defaults = {
        "batchSize": 32,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        inputMapping: list[str] | None = None,
        outputMapping: list[str] | None = None,
        errorCol: str | None = None,
        modelFile: str | None = None,
        batchSize: int | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        inputMapping: list[str] | None = None,
        outputMapping: list[str] | None = None,
        errorCol: str | None = None,
        modelFile: str | None = None,
        batchSize: int | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setInputMapping(self, value: list[str]) -> Self:
        """Sets ``inputMapping``."""
        return self._set(inputMapping=value)

    def getInputMapping(self) -> list[str]:
        """The value of ``inputMapping``."""
        return self.getOrDefault("inputMapping")

    def setOutputMapping(self, value: list[str]) -> Self:
        """Sets ``outputMapping``."""
        return self._set(outputMapping=value)

    def getOutputMapping(self) -> list[str]:
        """The value of ``outputMapping``."""
        return self.getOrDefault("outputMapping")

    def setErrorCol(self, value: str) -> Self:
        """Sets ``errorCol``."""
        return self._set(errorCol=value)

    def getErrorCol(self) -> str:
        """The value of ``errorCol``."""
        return self.getOrDefault("errorCol")

    def setModelFile(self, value: str) -> Self:
        """Sets ``modelFile``."""
        return self._set(modelFile=value)

    def getModelFile(self) -> str:
        """The value of ``modelFile``."""
        return self.getOrDefault("modelFile")

    def setBatchSize(self, value: int) -> Self:
        """Sets ``batchSize``."""
        return self._set(batchSize=value)

    def getBatchSize(self) -> int:
        """The value of ``batchSize``."""
        return self.getOrDefault("batchSize")


class LinearRegression(NativeEstimator):
    """Linear regression by least squares, with MLlib's parameters, defaults and objective; see ``fit_least_squares``.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``labelCol``: label column name (default: 'label')
    - ``weightCol``: weight column name; if it is not set, all weights are 1 (not set by default)
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``regParam``: regularization parameter, at least 0 (default: 0.0)
    - ``elasticNetParam``: share of the L1 penalty: 0 is ridge, 1 is lasso, from 0 to 1 (default: 0.0)
    - ``maxIter``: maximum number of iterations, at least 0 (default: 100)
    - ``tol``: convergence tolerance, at least 0 (default: 1e-06)
    - ``fitIntercept``: whether to fit an intercept (default: True)
    - ``standardization``: whether the penalty is on coefficients of standardized features; coefficients are returned
      as of the features themselves either way (default: True)
    - ``solver``: normal: the normal equations, up to 4096 features; l-bfgs: by iterations over the rows; auto: the
      first that fits, one of auto, normal, l-bfgs (default: 'auto')
    - ``loss``: what is minimized; MLlib's huber is not there yet, one of squaredError (default: 'squaredError')
    """

    _kind = "LinearRegression"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    labelCol: Param[str] = Param("undefined", "labelCol", "label column name", TypeConverters.toString)
    weightCol: Param[str] = Param("undefined", "weightCol", "weight column name; if it is not set, all weights are 1", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    regParam: Param[float] = Param("undefined", "regParam", "regularization parameter, at least 0", TypeConverters.toFloat)
    elasticNetParam: Param[float] = Param("undefined", "elasticNetParam", "share of the L1 penalty: 0 is ridge, 1 is lasso, from 0 to 1", TypeConverters.toFloat)
    maxIter: Param[int] = Param("undefined", "maxIter", "maximum number of iterations, at least 0", TypeConverters.toInt)
    tol: Param[float] = Param("undefined", "tol", "convergence tolerance, at least 0", TypeConverters.toFloat)
    fitIntercept: Param[bool] = Param("undefined", "fitIntercept", "whether to fit an intercept", TypeConverters.toBoolean)
    standardization: Param[bool] = Param("undefined", "standardization", "whether the penalty is on coefficients of standardized features; coefficients are returned as of the features themselves either way", TypeConverters.toBoolean)
    solver: Param[str] = Param("undefined", "solver", "normal: the normal equations, up to 4096 features; l-bfgs: by iterations over the rows; auto: the first that fits, one of auto, normal, l-bfgs", TypeConverters.toString)
    loss: Param[str] = Param("undefined", "loss", "what is minimized; MLlib's huber is not there yet, one of squaredError", TypeConverters.toString)
    _defaults = {
        "featuresCol": "features",
        "labelCol": "label",
        "predictionCol": "prediction",
        "regParam": 0.0,
        "elasticNetParam": 0.0,
        "maxIter": 100,
        "tol": 1e-06,
        "fitIntercept": True,
        "standardization": True,
        "solver": "auto",
        "loss": "squaredError",
    }

    @keyword_only
    def __init__(
        self,
        *,
        featuresCol: str | None = None,
        labelCol: str | None = None,
        weightCol: str | None = None,
        predictionCol: str | None = None,
        regParam: float | None = None,
        elasticNetParam: float | None = None,
        maxIter: int | None = None,
        tol: float | None = None,
        fitIntercept: bool | None = None,
        standardization: bool | None = None,
        solver: str | None = None,
        loss: str | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        featuresCol: str | None = None,
        labelCol: str | None = None,
        weightCol: str | None = None,
        predictionCol: str | None = None,
        regParam: float | None = None,
        elasticNetParam: float | None = None,
        maxIter: int | None = None,
        tol: float | None = None,
        fitIntercept: bool | None = None,
        standardization: bool | None = None,
        solver: str | None = None,
        loss: str | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setLabelCol(self, value: str) -> Self:
        """Sets ``labelCol``."""
        return self._set(labelCol=value)

    def getLabelCol(self) -> str:
        """The value of ``labelCol``."""
        return self.getOrDefault("labelCol")

    def setWeightCol(self, value: str) -> Self:
        """Sets ``weightCol``."""
        return self._set(weightCol=value)

    def getWeightCol(self) -> str:
        """The value of ``weightCol``."""
        return self.getOrDefault("weightCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setRegParam(self, value: float) -> Self:
        """Sets ``regParam``."""
        return self._set(regParam=value)

    def getRegParam(self) -> float:
        """The value of ``regParam``."""
        return self.getOrDefault("regParam")

    def setElasticNetParam(self, value: float) -> Self:
        """Sets ``elasticNetParam``."""
        return self._set(elasticNetParam=value)

    def getElasticNetParam(self) -> float:
        """The value of ``elasticNetParam``."""
        return self.getOrDefault("elasticNetParam")

    def setMaxIter(self, value: int) -> Self:
        """Sets ``maxIter``."""
        return self._set(maxIter=value)

    def getMaxIter(self) -> int:
        """The value of ``maxIter``."""
        return self.getOrDefault("maxIter")

    def setTol(self, value: float) -> Self:
        """Sets ``tol``."""
        return self._set(tol=value)

    def getTol(self) -> float:
        """The value of ``tol``."""
        return self.getOrDefault("tol")

    def setFitIntercept(self, value: bool) -> Self:
        """Sets ``fitIntercept``."""
        return self._set(fitIntercept=value)

    def getFitIntercept(self) -> bool:
        """The value of ``fitIntercept``."""
        return self.getOrDefault("fitIntercept")

    def setStandardization(self, value: bool) -> Self:
        """Sets ``standardization``."""
        return self._set(standardization=value)

    def getStandardization(self) -> bool:
        """The value of ``standardization``."""
        return self.getOrDefault("standardization")

    def setSolver(self, value: str) -> Self:
        """Sets ``solver``."""
        return self._set(solver=value)

    def getSolver(self) -> str:
        """The value of ``solver``."""
        return self.getOrDefault("solver")

    def setLoss(self, value: str) -> Self:
        """Sets ``loss``."""
        return self._set(loss=value)

    def getLoss(self) -> str:
        """The value of ``loss``."""
        return self.getOrDefault("loss")


class LinearRegressionModel(NativeModel):
    """A fitted ``LinearRegression``.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``predictionCol``: prediction column name (default: 'prediction')
    """

    _kind = "LinearRegressionModel"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    _defaults = {
        "featuresCol": "features",
        "predictionCol": "prediction",
    }

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    @property
    def coefficients(self) -> numpy.ndarray:
        """The coefficients."""
        return self._attribute("coefficients")

    @property
    def intercept(self) -> float:
        """The intercept."""
        return self._attribute("intercept")

    @property
    def numFeatures(self) -> int:
        """Numbers per feature vector."""
        return self._attribute("numFeatures")

    @property
    def hasSummary(self) -> bool:
        """Whether the model was fitted here, and not loaded."""
        return self._attribute("hasSummary")

    @property
    def summary(self) -> Summary:
        """How training went, and how well the model fits its rows."""
        return summary_of(self._attribute("summary"))


class LinearSVC(NativeEstimator):
    """A linear support vector machine for two classes, with MLlib's parameters, defaults and objective.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``labelCol``: label column name (default: 'label')
    - ``weightCol``: weight column name; if it is not set, all weights are 1 (not set by default)
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``rawPredictionCol``: raw prediction (confidence) column name (default: 'rawPrediction')
    - ``regParam``: regularization parameter, at least 0 (default: 0.0)
    - ``maxIter``: maximum number of iterations, at least 0 (default: 100)
    - ``tol``: convergence tolerance, at least 0 (default: 1e-06)
    - ``fitIntercept``: whether to fit an intercept (default: True)
    - ``standardization``: whether the penalty is on coefficients of standardized features; coefficients are returned
      as of the features themselves either way (default: True)
    - ``threshold``: class 1 is predicted above this margin (default: 0.0)
    """

    _kind = "LinearSVC"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    labelCol: Param[str] = Param("undefined", "labelCol", "label column name", TypeConverters.toString)
    weightCol: Param[str] = Param("undefined", "weightCol", "weight column name; if it is not set, all weights are 1", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    rawPredictionCol: Param[str] = Param("undefined", "rawPredictionCol", "raw prediction (confidence) column name", TypeConverters.toString)
    regParam: Param[float] = Param("undefined", "regParam", "regularization parameter, at least 0", TypeConverters.toFloat)
    maxIter: Param[int] = Param("undefined", "maxIter", "maximum number of iterations, at least 0", TypeConverters.toInt)
    tol: Param[float] = Param("undefined", "tol", "convergence tolerance, at least 0", TypeConverters.toFloat)
    fitIntercept: Param[bool] = Param("undefined", "fitIntercept", "whether to fit an intercept", TypeConverters.toBoolean)
    standardization: Param[bool] = Param("undefined", "standardization", "whether the penalty is on coefficients of standardized features; coefficients are returned as of the features themselves either way", TypeConverters.toBoolean)
    threshold: Param[float] = Param("undefined", "threshold", "class 1 is predicted above this margin", TypeConverters.toFloat)
    _defaults = {
        "featuresCol": "features",
        "labelCol": "label",
        "predictionCol": "prediction",
        "rawPredictionCol": "rawPrediction",
        "regParam": 0.0,
        "maxIter": 100,
        "tol": 1e-06,
        "fitIntercept": True,
        "standardization": True,
        "threshold": 0.0,
    }

    @keyword_only
    def __init__(
        self,
        *,
        featuresCol: str | None = None,
        labelCol: str | None = None,
        weightCol: str | None = None,
        predictionCol: str | None = None,
        rawPredictionCol: str | None = None,
        regParam: float | None = None,
        maxIter: int | None = None,
        tol: float | None = None,
        fitIntercept: bool | None = None,
        standardization: bool | None = None,
        threshold: float | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        featuresCol: str | None = None,
        labelCol: str | None = None,
        weightCol: str | None = None,
        predictionCol: str | None = None,
        rawPredictionCol: str | None = None,
        regParam: float | None = None,
        maxIter: int | None = None,
        tol: float | None = None,
        fitIntercept: bool | None = None,
        standardization: bool | None = None,
        threshold: float | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setLabelCol(self, value: str) -> Self:
        """Sets ``labelCol``."""
        return self._set(labelCol=value)

    def getLabelCol(self) -> str:
        """The value of ``labelCol``."""
        return self.getOrDefault("labelCol")

    def setWeightCol(self, value: str) -> Self:
        """Sets ``weightCol``."""
        return self._set(weightCol=value)

    def getWeightCol(self) -> str:
        """The value of ``weightCol``."""
        return self.getOrDefault("weightCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setRawPredictionCol(self, value: str) -> Self:
        """Sets ``rawPredictionCol``."""
        return self._set(rawPredictionCol=value)

    def getRawPredictionCol(self) -> str:
        """The value of ``rawPredictionCol``."""
        return self.getOrDefault("rawPredictionCol")

    def setRegParam(self, value: float) -> Self:
        """Sets ``regParam``."""
        return self._set(regParam=value)

    def getRegParam(self) -> float:
        """The value of ``regParam``."""
        return self.getOrDefault("regParam")

    def setMaxIter(self, value: int) -> Self:
        """Sets ``maxIter``."""
        return self._set(maxIter=value)

    def getMaxIter(self) -> int:
        """The value of ``maxIter``."""
        return self.getOrDefault("maxIter")

    def setTol(self, value: float) -> Self:
        """Sets ``tol``."""
        return self._set(tol=value)

    def getTol(self) -> float:
        """The value of ``tol``."""
        return self.getOrDefault("tol")

    def setFitIntercept(self, value: bool) -> Self:
        """Sets ``fitIntercept``."""
        return self._set(fitIntercept=value)

    def getFitIntercept(self) -> bool:
        """The value of ``fitIntercept``."""
        return self.getOrDefault("fitIntercept")

    def setStandardization(self, value: bool) -> Self:
        """Sets ``standardization``."""
        return self._set(standardization=value)

    def getStandardization(self) -> bool:
        """The value of ``standardization``."""
        return self.getOrDefault("standardization")

    def setThreshold(self, value: float) -> Self:
        """Sets ``threshold``."""
        return self._set(threshold=value)

    def getThreshold(self) -> float:
        """The value of ``threshold``."""
        return self.getOrDefault("threshold")


class LinearSVCModel(NativeModel):
    """A fitted ``LinearSVC``.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``rawPredictionCol``: raw prediction (confidence) column name (default: 'rawPrediction')
    - ``threshold``: class 1 is predicted above this margin (default: 0.0)
    """

    _kind = "LinearSVCModel"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    rawPredictionCol: Param[str] = Param("undefined", "rawPredictionCol", "raw prediction (confidence) column name", TypeConverters.toString)
    threshold: Param[float] = Param("undefined", "threshold", "class 1 is predicted above this margin", TypeConverters.toFloat)
    _defaults = {
        "featuresCol": "features",
        "predictionCol": "prediction",
        "rawPredictionCol": "rawPrediction",
        "threshold": 0.0,
    }

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setRawPredictionCol(self, value: str) -> Self:
        """Sets ``rawPredictionCol``."""
        return self._set(rawPredictionCol=value)

    def getRawPredictionCol(self) -> str:
        """The value of ``rawPredictionCol``."""
        return self.getOrDefault("rawPredictionCol")

    def setThreshold(self, value: float) -> Self:
        """Sets ``threshold``."""
        return self._set(threshold=value)

    def getThreshold(self) -> float:
        """The value of ``threshold``."""
        return self.getOrDefault("threshold")

    @property
    def coefficients(self) -> numpy.ndarray:
        """The coefficients."""
        return self._attribute("coefficients")

    @property
    def intercept(self) -> float:
        """The intercept."""
        return self._attribute("intercept")

    @property
    def numClasses(self) -> int:
        """Number of classes: two."""
        return self._attribute("numClasses")

    @property
    def numFeatures(self) -> int:
        """Numbers per feature vector."""
        return self._attribute("numFeatures")

    @property
    def hasSummary(self) -> bool:
        """Whether the model was fitted here, and not loaded."""
        return self._attribute("hasSummary")

    @property
    def summary(self) -> Summary:
        """How training went."""
        return summary_of(self._attribute("summary"))


class LogisticRegression(NativeEstimator):
    """Logistic regression, binomial and multinomial, with MLlib's parameters, defaults and objective.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``labelCol``: label column name (default: 'label')
    - ``weightCol``: weight column name; if it is not set, all weights are 1 (not set by default)
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``rawPredictionCol``: raw prediction (confidence) column name (default: 'rawPrediction')
    - ``probabilityCol``: column name for class probabilities (default: 'probability')
    - ``regParam``: regularization parameter, at least 0 (default: 0.0)
    - ``elasticNetParam``: share of the L1 penalty: 0 is ridge, 1 is lasso, from 0 to 1 (default: 0.0)
    - ``maxIter``: maximum number of iterations, at least 0 (default: 100)
    - ``tol``: convergence tolerance, at least 0 (default: 1e-06)
    - ``fitIntercept``: whether to fit an intercept (default: True)
    - ``standardization``: whether the penalty is on coefficients of standardized features; coefficients are returned
      as of the features themselves either way (default: True)
    - ``family``: auto: binomial for two classes, multinomial for more; or one of the two by name, one of auto,
      binomial, multinomial (default: 'auto')
    - ``threshold``: binomial: class 1 is predicted above this probability, from 0 to 1 (default: 0.5)
    - ``thresholds``: one per class, at most one of them 0: the class with the largest probability / threshold is
      predicted, at least 0 (not set by default)
    - ``lowerBoundsOnCoefficients``: a bound for each coefficient, one class after the other (one set of them for two
      classes); 1e300 and more, either way, bounds nothing; only with an L2 penalty alone (not set by default)
    - ``upperBoundsOnCoefficients``: as lowerBoundsOnCoefficients, from above (not set by default)
    - ``lowerBoundsOnIntercepts``: a bound for the intercept of each class (one for two classes), as
      lowerBoundsOnCoefficients (not set by default)
    - ``upperBoundsOnIntercepts``: as lowerBoundsOnIntercepts, from above (not set by default)
    """

    _kind = "LogisticRegression"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    labelCol: Param[str] = Param("undefined", "labelCol", "label column name", TypeConverters.toString)
    weightCol: Param[str] = Param("undefined", "weightCol", "weight column name; if it is not set, all weights are 1", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    rawPredictionCol: Param[str] = Param("undefined", "rawPredictionCol", "raw prediction (confidence) column name", TypeConverters.toString)
    probabilityCol: Param[str] = Param("undefined", "probabilityCol", "column name for class probabilities", TypeConverters.toString)
    regParam: Param[float] = Param("undefined", "regParam", "regularization parameter, at least 0", TypeConverters.toFloat)
    elasticNetParam: Param[float] = Param("undefined", "elasticNetParam", "share of the L1 penalty: 0 is ridge, 1 is lasso, from 0 to 1", TypeConverters.toFloat)
    maxIter: Param[int] = Param("undefined", "maxIter", "maximum number of iterations, at least 0", TypeConverters.toInt)
    tol: Param[float] = Param("undefined", "tol", "convergence tolerance, at least 0", TypeConverters.toFloat)
    fitIntercept: Param[bool] = Param("undefined", "fitIntercept", "whether to fit an intercept", TypeConverters.toBoolean)
    standardization: Param[bool] = Param("undefined", "standardization", "whether the penalty is on coefficients of standardized features; coefficients are returned as of the features themselves either way", TypeConverters.toBoolean)
    family: Param[str] = Param("undefined", "family", "auto: binomial for two classes, multinomial for more; or one of the two by name, one of auto, binomial, multinomial", TypeConverters.toString)
    threshold: Param[float] = Param("undefined", "threshold", "binomial: class 1 is predicted above this probability, from 0 to 1", TypeConverters.toFloat)
    thresholds: Param[list[float]] = Param("undefined", "thresholds", "one per class, at most one of them 0: the class with the largest probability / threshold is predicted, at least 0", TypeConverters.toListFloat)
    lowerBoundsOnCoefficients: Param[list[float]] = Param("undefined", "lowerBoundsOnCoefficients", "a bound for each coefficient, one class after the other (one set of them for two classes); 1e300 and more, either way, bounds nothing; only with an L2 penalty alone", TypeConverters.toListFloat)
    upperBoundsOnCoefficients: Param[list[float]] = Param("undefined", "upperBoundsOnCoefficients", "as lowerBoundsOnCoefficients, from above", TypeConverters.toListFloat)
    lowerBoundsOnIntercepts: Param[list[float]] = Param("undefined", "lowerBoundsOnIntercepts", "a bound for the intercept of each class (one for two classes), as lowerBoundsOnCoefficients", TypeConverters.toListFloat)
    upperBoundsOnIntercepts: Param[list[float]] = Param("undefined", "upperBoundsOnIntercepts", "as lowerBoundsOnIntercepts, from above", TypeConverters.toListFloat)
    _defaults = {
        "featuresCol": "features",
        "labelCol": "label",
        "predictionCol": "prediction",
        "rawPredictionCol": "rawPrediction",
        "probabilityCol": "probability",
        "regParam": 0.0,
        "elasticNetParam": 0.0,
        "maxIter": 100,
        "tol": 1e-06,
        "fitIntercept": True,
        "standardization": True,
        "family": "auto",
        "threshold": 0.5,
    }

    @keyword_only
    def __init__(
        self,
        *,
        featuresCol: str | None = None,
        labelCol: str | None = None,
        weightCol: str | None = None,
        predictionCol: str | None = None,
        rawPredictionCol: str | None = None,
        probabilityCol: str | None = None,
        regParam: float | None = None,
        elasticNetParam: float | None = None,
        maxIter: int | None = None,
        tol: float | None = None,
        fitIntercept: bool | None = None,
        standardization: bool | None = None,
        family: str | None = None,
        threshold: float | None = None,
        thresholds: list[float] | None = None,
        lowerBoundsOnCoefficients: list[float] | None = None,
        upperBoundsOnCoefficients: list[float] | None = None,
        lowerBoundsOnIntercepts: list[float] | None = None,
        upperBoundsOnIntercepts: list[float] | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        featuresCol: str | None = None,
        labelCol: str | None = None,
        weightCol: str | None = None,
        predictionCol: str | None = None,
        rawPredictionCol: str | None = None,
        probabilityCol: str | None = None,
        regParam: float | None = None,
        elasticNetParam: float | None = None,
        maxIter: int | None = None,
        tol: float | None = None,
        fitIntercept: bool | None = None,
        standardization: bool | None = None,
        family: str | None = None,
        threshold: float | None = None,
        thresholds: list[float] | None = None,
        lowerBoundsOnCoefficients: list[float] | None = None,
        upperBoundsOnCoefficients: list[float] | None = None,
        lowerBoundsOnIntercepts: list[float] | None = None,
        upperBoundsOnIntercepts: list[float] | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setLabelCol(self, value: str) -> Self:
        """Sets ``labelCol``."""
        return self._set(labelCol=value)

    def getLabelCol(self) -> str:
        """The value of ``labelCol``."""
        return self.getOrDefault("labelCol")

    def setWeightCol(self, value: str) -> Self:
        """Sets ``weightCol``."""
        return self._set(weightCol=value)

    def getWeightCol(self) -> str:
        """The value of ``weightCol``."""
        return self.getOrDefault("weightCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setRawPredictionCol(self, value: str) -> Self:
        """Sets ``rawPredictionCol``."""
        return self._set(rawPredictionCol=value)

    def getRawPredictionCol(self) -> str:
        """The value of ``rawPredictionCol``."""
        return self.getOrDefault("rawPredictionCol")

    def setProbabilityCol(self, value: str) -> Self:
        """Sets ``probabilityCol``."""
        return self._set(probabilityCol=value)

    def getProbabilityCol(self) -> str:
        """The value of ``probabilityCol``."""
        return self.getOrDefault("probabilityCol")

    def setRegParam(self, value: float) -> Self:
        """Sets ``regParam``."""
        return self._set(regParam=value)

    def getRegParam(self) -> float:
        """The value of ``regParam``."""
        return self.getOrDefault("regParam")

    def setElasticNetParam(self, value: float) -> Self:
        """Sets ``elasticNetParam``."""
        return self._set(elasticNetParam=value)

    def getElasticNetParam(self) -> float:
        """The value of ``elasticNetParam``."""
        return self.getOrDefault("elasticNetParam")

    def setMaxIter(self, value: int) -> Self:
        """Sets ``maxIter``."""
        return self._set(maxIter=value)

    def getMaxIter(self) -> int:
        """The value of ``maxIter``."""
        return self.getOrDefault("maxIter")

    def setTol(self, value: float) -> Self:
        """Sets ``tol``."""
        return self._set(tol=value)

    def getTol(self) -> float:
        """The value of ``tol``."""
        return self.getOrDefault("tol")

    def setFitIntercept(self, value: bool) -> Self:
        """Sets ``fitIntercept``."""
        return self._set(fitIntercept=value)

    def getFitIntercept(self) -> bool:
        """The value of ``fitIntercept``."""
        return self.getOrDefault("fitIntercept")

    def setStandardization(self, value: bool) -> Self:
        """Sets ``standardization``."""
        return self._set(standardization=value)

    def getStandardization(self) -> bool:
        """The value of ``standardization``."""
        return self.getOrDefault("standardization")

    def setFamily(self, value: str) -> Self:
        """Sets ``family``."""
        return self._set(family=value)

    def getFamily(self) -> str:
        """The value of ``family``."""
        return self.getOrDefault("family")

    def setThreshold(self, value: float) -> Self:
        """Sets ``threshold``."""
        return self._set(threshold=value)

    def getThreshold(self) -> float:
        """The value of ``threshold``."""
        return self.getOrDefault("threshold")

    def setThresholds(self, value: list[float]) -> Self:
        """Sets ``thresholds``."""
        return self._set(thresholds=value)

    def getThresholds(self) -> list[float]:
        """The value of ``thresholds``."""
        return self.getOrDefault("thresholds")

    def setLowerBoundsOnCoefficients(self, value: list[float]) -> Self:
        """Sets ``lowerBoundsOnCoefficients``."""
        return self._set(lowerBoundsOnCoefficients=value)

    def getLowerBoundsOnCoefficients(self) -> list[float]:
        """The value of ``lowerBoundsOnCoefficients``."""
        return self.getOrDefault("lowerBoundsOnCoefficients")

    def setUpperBoundsOnCoefficients(self, value: list[float]) -> Self:
        """Sets ``upperBoundsOnCoefficients``."""
        return self._set(upperBoundsOnCoefficients=value)

    def getUpperBoundsOnCoefficients(self) -> list[float]:
        """The value of ``upperBoundsOnCoefficients``."""
        return self.getOrDefault("upperBoundsOnCoefficients")

    def setLowerBoundsOnIntercepts(self, value: list[float]) -> Self:
        """Sets ``lowerBoundsOnIntercepts``."""
        return self._set(lowerBoundsOnIntercepts=value)

    def getLowerBoundsOnIntercepts(self) -> list[float]:
        """The value of ``lowerBoundsOnIntercepts``."""
        return self.getOrDefault("lowerBoundsOnIntercepts")

    def setUpperBoundsOnIntercepts(self, value: list[float]) -> Self:
        """Sets ``upperBoundsOnIntercepts``."""
        return self._set(upperBoundsOnIntercepts=value)

    def getUpperBoundsOnIntercepts(self) -> list[float]:
        """The value of ``upperBoundsOnIntercepts``."""
        return self.getOrDefault("upperBoundsOnIntercepts")


class LogisticRegressionModel(NativeModel):
    """A fitted ``LogisticRegression``.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``labelCol``: label column name (default: 'label')
    - ``weightCol``: weight column name; if it is not set, all weights are 1 (not set by default)
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``rawPredictionCol``: raw prediction (confidence) column name (default: 'rawPrediction')
    - ``probabilityCol``: column name for class probabilities (default: 'probability')
    - ``threshold``: binomial: class 1 is predicted above this probability, from 0 to 1 (default: 0.5)
    - ``thresholds``: one per class, at most one of them 0: the class with the largest probability / threshold is
      predicted, at least 0 (not set by default)
    """

    _kind = "LogisticRegressionModel"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    labelCol: Param[str] = Param("undefined", "labelCol", "label column name", TypeConverters.toString)
    weightCol: Param[str] = Param("undefined", "weightCol", "weight column name; if it is not set, all weights are 1", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    rawPredictionCol: Param[str] = Param("undefined", "rawPredictionCol", "raw prediction (confidence) column name", TypeConverters.toString)
    probabilityCol: Param[str] = Param("undefined", "probabilityCol", "column name for class probabilities", TypeConverters.toString)
    threshold: Param[float] = Param("undefined", "threshold", "binomial: class 1 is predicted above this probability, from 0 to 1", TypeConverters.toFloat)
    thresholds: Param[list[float]] = Param("undefined", "thresholds", "one per class, at most one of them 0: the class with the largest probability / threshold is predicted, at least 0", TypeConverters.toListFloat)
    _defaults = {
        "featuresCol": "features",
        "labelCol": "label",
        "predictionCol": "prediction",
        "rawPredictionCol": "rawPrediction",
        "probabilityCol": "probability",
        "threshold": 0.5,
    }

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setLabelCol(self, value: str) -> Self:
        """Sets ``labelCol``."""
        return self._set(labelCol=value)

    def getLabelCol(self) -> str:
        """The value of ``labelCol``."""
        return self.getOrDefault("labelCol")

    def setWeightCol(self, value: str) -> Self:
        """Sets ``weightCol``."""
        return self._set(weightCol=value)

    def getWeightCol(self) -> str:
        """The value of ``weightCol``."""
        return self.getOrDefault("weightCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setRawPredictionCol(self, value: str) -> Self:
        """Sets ``rawPredictionCol``."""
        return self._set(rawPredictionCol=value)

    def getRawPredictionCol(self) -> str:
        """The value of ``rawPredictionCol``."""
        return self.getOrDefault("rawPredictionCol")

    def setProbabilityCol(self, value: str) -> Self:
        """Sets ``probabilityCol``."""
        return self._set(probabilityCol=value)

    def getProbabilityCol(self) -> str:
        """The value of ``probabilityCol``."""
        return self.getOrDefault("probabilityCol")

    def setThreshold(self, value: float) -> Self:
        """Sets ``threshold``."""
        return self._set(threshold=value)

    def getThreshold(self) -> float:
        """The value of ``threshold``."""
        return self.getOrDefault("threshold")

    def setThresholds(self, value: list[float]) -> Self:
        """Sets ``thresholds``."""
        return self._set(thresholds=value)

    def getThresholds(self) -> list[float]:
        """The value of ``thresholds``."""
        return self.getOrDefault("thresholds")

    @property
    def coefficientMatrix(self) -> numpy.ndarray:
        """The coefficients, a row per class; one row for a binomial model."""
        return self._attribute("coefficientMatrix")

    @property
    def coefficients(self) -> numpy.ndarray:
        """The coefficients of a binomial model; those of all classes, one after the other, of a multinomial one."""
        return self._attribute("coefficients")

    @property
    def interceptVector(self) -> numpy.ndarray:
        """The intercepts, one per row of the coefficient matrix."""
        return self._attribute("interceptVector")

    @property
    def intercept(self) -> float:
        """The intercept of a binomial model."""
        return self._attribute("intercept")

    @property
    def numClasses(self) -> int:
        """Number of classes."""
        return self._attribute("numClasses")

    @property
    def numFeatures(self) -> int:
        """Numbers per feature vector."""
        return self._attribute("numFeatures")

    @property
    def labels(self) -> list[str] | None:
        """The names of the classes, where the label column had them."""
        return self._attribute("labels")

    @property
    def hasSummary(self) -> bool:
        """Whether the model was fitted here, and not loaded."""
        return self._attribute("hasSummary")

    @property
    def summary(self) -> LogisticRegressionTrainingSummary:
        """How training went, and how well the model fits its rows."""
        return summary_of(self._attribute("summary"))


class MinMaxScaler(NativeEstimator):
    """Brings every feature to the range from ``min`` to ``max``.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``min``: what the smallest number of a feature becomes (default: 0.0)
    - ``max``: what the largest number of a feature becomes (default: 1.0)
    """

    _kind = "MinMaxScaler"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    min: Param[float] = Param("undefined", "min", "what the smallest number of a feature becomes", TypeConverters.toFloat)
    max: Param[float] = Param("undefined", "max", "what the largest number of a feature becomes", TypeConverters.toFloat)
    _defaults = {
        "min": 0.0,
        "max": 1.0,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        min: float | None = None,
        max: float | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        min: float | None = None,
        max: float | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setMin(self, value: float) -> Self:
        """Sets ``min``."""
        return self._set(min=value)

    def getMin(self) -> float:
        """The value of ``min``."""
        return self.getOrDefault("min")

    def setMax(self, value: float) -> Self:
        """Sets ``max``."""
        return self._set(max=value)

    def getMax(self) -> float:
        """The value of ``max``."""
        return self.getOrDefault("max")


class MinMaxScalerModel(NativeModel):
    """A fitted ``MinMaxScaler``.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``min``: what the smallest number of a feature becomes (default: 0.0)
    - ``max``: what the largest number of a feature becomes (default: 1.0)
    """

    _kind = "MinMaxScalerModel"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    min: Param[float] = Param("undefined", "min", "what the smallest number of a feature becomes", TypeConverters.toFloat)
    max: Param[float] = Param("undefined", "max", "what the largest number of a feature becomes", TypeConverters.toFloat)
    _defaults = {
        "min": 0.0,
        "max": 1.0,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setMin(self, value: float) -> Self:
        """Sets ``min``."""
        return self._set(min=value)

    def getMin(self) -> float:
        """The value of ``min``."""
        return self.getOrDefault("min")

    def setMax(self, value: float) -> Self:
        """Sets ``max``."""
        return self._set(max=value)

    def getMax(self) -> float:
        """The value of ``max``."""
        return self.getOrDefault("max")

    @property
    def originalMin(self) -> numpy.ndarray:
        """The least value of each feature."""
        return self._attribute("originalMin")

    @property
    def originalMax(self) -> numpy.ndarray:
        """The greatest value of each feature."""
        return self._attribute("originalMax")


class MulticlassClassificationEvaluator(NativeEvaluator):
    """How good the predictions of a classifier are, by one of MLlib's metrics; weighted F1 unless told otherwise.

    Params:

    - ``labelCol``: label column name (default: 'label')
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``weightCol``: weight column name; if it is not set, all weights are 1 (not set by default)
    - ``probabilityCol``: column name for class probabilities (default: 'probability')
    - ``metricName``: metric name, one of f1, accuracy, weightedPrecision, weightedRecall, weightedTruePositiveRate,
      weightedFalsePositiveRate, weightedFMeasure, truePositiveRateByLabel, falsePositiveRateByLabel, precisionByLabel,
      recallByLabel, fMeasureByLabel, logLoss, hammingLoss (default: 'f1')
    - ``metricLabel``: the class whose metric is computed in ...ByLabel metrics, at least 0 (default: 0.0)
    - ``beta``: the beta of F-measures: recall's weight, more than 0 (default: 1.0)
    - ``eps``: logLoss clips probabilities to [eps, 1 - eps], more than 0 and less than 0.5 (default: 1e-15)
    """

    _kind = "MulticlassClassificationEvaluator"
    labelCol: Param[str] = Param("undefined", "labelCol", "label column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    weightCol: Param[str] = Param("undefined", "weightCol", "weight column name; if it is not set, all weights are 1", TypeConverters.toString)
    probabilityCol: Param[str] = Param("undefined", "probabilityCol", "column name for class probabilities", TypeConverters.toString)
    metricName: Param[str] = Param("undefined", "metricName", "metric name, one of f1, accuracy, weightedPrecision, weightedRecall, weightedTruePositiveRate, weightedFalsePositiveRate, weightedFMeasure, truePositiveRateByLabel, falsePositiveRateByLabel, precisionByLabel, recallByLabel, fMeasureByLabel, logLoss, hammingLoss", TypeConverters.toString)
    metricLabel: Param[float] = Param("undefined", "metricLabel", "the class whose metric is computed in ...ByLabel metrics, at least 0", TypeConverters.toFloat)
    beta: Param[float] = Param("undefined", "beta", "the beta of F-measures: recall's weight, more than 0", TypeConverters.toFloat)
    eps: Param[float] = Param("undefined", "eps", "logLoss clips probabilities to [eps, 1 - eps], more than 0 and less than 0.5", TypeConverters.toFloat)
    _defaults = {
        "labelCol": "label",
        "predictionCol": "prediction",
        "probabilityCol": "probability",
        "metricName": "f1",
        "metricLabel": 0.0,
        "beta": 1.0,
        "eps": 1e-15,
    }

    @keyword_only
    def __init__(
        self,
        *,
        labelCol: str | None = None,
        predictionCol: str | None = None,
        weightCol: str | None = None,
        probabilityCol: str | None = None,
        metricName: str | None = None,
        metricLabel: float | None = None,
        beta: float | None = None,
        eps: float | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        labelCol: str | None = None,
        predictionCol: str | None = None,
        weightCol: str | None = None,
        probabilityCol: str | None = None,
        metricName: str | None = None,
        metricLabel: float | None = None,
        beta: float | None = None,
        eps: float | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setLabelCol(self, value: str) -> Self:
        """Sets ``labelCol``."""
        return self._set(labelCol=value)

    def getLabelCol(self) -> str:
        """The value of ``labelCol``."""
        return self.getOrDefault("labelCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setWeightCol(self, value: str) -> Self:
        """Sets ``weightCol``."""
        return self._set(weightCol=value)

    def getWeightCol(self) -> str:
        """The value of ``weightCol``."""
        return self.getOrDefault("weightCol")

    def setProbabilityCol(self, value: str) -> Self:
        """Sets ``probabilityCol``."""
        return self._set(probabilityCol=value)

    def getProbabilityCol(self) -> str:
        """The value of ``probabilityCol``."""
        return self.getOrDefault("probabilityCol")

    def setMetricName(self, value: str) -> Self:
        """Sets ``metricName``."""
        return self._set(metricName=value)

    def getMetricName(self) -> str:
        """The value of ``metricName``."""
        return self.getOrDefault("metricName")

    def setMetricLabel(self, value: float) -> Self:
        """Sets ``metricLabel``."""
        return self._set(metricLabel=value)

    def getMetricLabel(self) -> float:
        """The value of ``metricLabel``."""
        return self.getOrDefault("metricLabel")

    def setBeta(self, value: float) -> Self:
        """Sets ``beta``."""
        return self._set(beta=value)

    def getBeta(self) -> float:
        """The value of ``beta``."""
        return self.getOrDefault("beta")

    def setEps(self, value: float) -> Self:
        """Sets ``eps``."""
        return self._set(eps=value)

    def getEps(self) -> float:
        """The value of ``eps``."""
        return self.getOrDefault("eps")


class NaiveBayes(NativeEstimator):
    """Naive Bayes classification, with MLlib's parameters and defaults: features are taken to be independent given the
    class.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``labelCol``: label column name (default: 'label')
    - ``weightCol``: weight column name; if it is not set, all weights are 1 (not set by default)
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``rawPredictionCol``: raw prediction (confidence) column name (default: 'rawPrediction')
    - ``probabilityCol``: column name for class probabilities (default: 'probability')
    - ``modelType``: multinomial and complement take counts, bernoulli 0 and 1, gaussian any numbers, one of
      multinomial, complement, bernoulli, gaussian (default: 'multinomial')
    - ``smoothing``: added to each count, so that what was never seen is not impossible, at least 0 (default: 1.0)
    - ``thresholds``: one per class, at most one of them 0: the class with the largest probability / threshold is
      predicted, at least 0 (not set by default)
    """

    _kind = "NaiveBayes"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    labelCol: Param[str] = Param("undefined", "labelCol", "label column name", TypeConverters.toString)
    weightCol: Param[str] = Param("undefined", "weightCol", "weight column name; if it is not set, all weights are 1", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    rawPredictionCol: Param[str] = Param("undefined", "rawPredictionCol", "raw prediction (confidence) column name", TypeConverters.toString)
    probabilityCol: Param[str] = Param("undefined", "probabilityCol", "column name for class probabilities", TypeConverters.toString)
    modelType: Param[str] = Param("undefined", "modelType", "multinomial and complement take counts, bernoulli 0 and 1, gaussian any numbers, one of multinomial, complement, bernoulli, gaussian", TypeConverters.toString)
    smoothing: Param[float] = Param("undefined", "smoothing", "added to each count, so that what was never seen is not impossible, at least 0", TypeConverters.toFloat)
    thresholds: Param[list[float]] = Param("undefined", "thresholds", "one per class, at most one of them 0: the class with the largest probability / threshold is predicted, at least 0", TypeConverters.toListFloat)
    _defaults = {
        "featuresCol": "features",
        "labelCol": "label",
        "predictionCol": "prediction",
        "rawPredictionCol": "rawPrediction",
        "probabilityCol": "probability",
        "modelType": "multinomial",
        "smoothing": 1.0,
    }

    @keyword_only
    def __init__(
        self,
        *,
        featuresCol: str | None = None,
        labelCol: str | None = None,
        weightCol: str | None = None,
        predictionCol: str | None = None,
        rawPredictionCol: str | None = None,
        probabilityCol: str | None = None,
        modelType: str | None = None,
        smoothing: float | None = None,
        thresholds: list[float] | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        featuresCol: str | None = None,
        labelCol: str | None = None,
        weightCol: str | None = None,
        predictionCol: str | None = None,
        rawPredictionCol: str | None = None,
        probabilityCol: str | None = None,
        modelType: str | None = None,
        smoothing: float | None = None,
        thresholds: list[float] | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setLabelCol(self, value: str) -> Self:
        """Sets ``labelCol``."""
        return self._set(labelCol=value)

    def getLabelCol(self) -> str:
        """The value of ``labelCol``."""
        return self.getOrDefault("labelCol")

    def setWeightCol(self, value: str) -> Self:
        """Sets ``weightCol``."""
        return self._set(weightCol=value)

    def getWeightCol(self) -> str:
        """The value of ``weightCol``."""
        return self.getOrDefault("weightCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setRawPredictionCol(self, value: str) -> Self:
        """Sets ``rawPredictionCol``."""
        return self._set(rawPredictionCol=value)

    def getRawPredictionCol(self) -> str:
        """The value of ``rawPredictionCol``."""
        return self.getOrDefault("rawPredictionCol")

    def setProbabilityCol(self, value: str) -> Self:
        """Sets ``probabilityCol``."""
        return self._set(probabilityCol=value)

    def getProbabilityCol(self) -> str:
        """The value of ``probabilityCol``."""
        return self.getOrDefault("probabilityCol")

    def setModelType(self, value: str) -> Self:
        """Sets ``modelType``."""
        return self._set(modelType=value)

    def getModelType(self) -> str:
        """The value of ``modelType``."""
        return self.getOrDefault("modelType")

    def setSmoothing(self, value: float) -> Self:
        """Sets ``smoothing``."""
        return self._set(smoothing=value)

    def getSmoothing(self) -> float:
        """The value of ``smoothing``."""
        return self.getOrDefault("smoothing")

    def setThresholds(self, value: list[float]) -> Self:
        """Sets ``thresholds``."""
        return self._set(thresholds=value)

    def getThresholds(self) -> list[float]:
        """The value of ``thresholds``."""
        return self.getOrDefault("thresholds")


class NaiveBayesModel(NativeModel):
    """A fitted ``NaiveBayes``.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``rawPredictionCol``: raw prediction (confidence) column name (default: 'rawPrediction')
    - ``probabilityCol``: column name for class probabilities (default: 'probability')
    - ``thresholds``: one per class, at most one of them 0: the class with the largest probability / threshold is
      predicted, at least 0 (not set by default)
    """

    _kind = "NaiveBayesModel"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    rawPredictionCol: Param[str] = Param("undefined", "rawPredictionCol", "raw prediction (confidence) column name", TypeConverters.toString)
    probabilityCol: Param[str] = Param("undefined", "probabilityCol", "column name for class probabilities", TypeConverters.toString)
    thresholds: Param[list[float]] = Param("undefined", "thresholds", "one per class, at most one of them 0: the class with the largest probability / threshold is predicted, at least 0", TypeConverters.toListFloat)
    _defaults = {
        "featuresCol": "features",
        "predictionCol": "prediction",
        "rawPredictionCol": "rawPrediction",
        "probabilityCol": "probability",
    }

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setRawPredictionCol(self, value: str) -> Self:
        """Sets ``rawPredictionCol``."""
        return self._set(rawPredictionCol=value)

    def getRawPredictionCol(self) -> str:
        """The value of ``rawPredictionCol``."""
        return self.getOrDefault("rawPredictionCol")

    def setProbabilityCol(self, value: str) -> Self:
        """Sets ``probabilityCol``."""
        return self._set(probabilityCol=value)

    def getProbabilityCol(self) -> str:
        """The value of ``probabilityCol``."""
        return self.getOrDefault("probabilityCol")

    def setThresholds(self, value: list[float]) -> Self:
        """Sets ``thresholds``."""
        return self._set(thresholds=value)

    def getThresholds(self) -> list[float]:
        """The value of ``thresholds``."""
        return self.getOrDefault("thresholds")

    @property
    def pi(self) -> numpy.ndarray:
        """Logarithms of the classes' shares."""
        return self._attribute("pi")

    @property
    def theta(self) -> numpy.ndarray:
        """What is learned of each feature, a row per class."""
        return self._attribute("theta")

    @property
    def sigma(self) -> numpy.ndarray:
        """With modelType gaussian, the variances, a row per class; otherwise empty."""
        return self._attribute("sigma")


class Normalizer(NativeTransformer):
    """Divides every vector by its norm, so that it has a norm of 1.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``p``: the p of the norm `(Σ|x|^p)^(1/p)` that becomes 1, at least 1, or infinity (default: 2.0)
    """

    _kind = "Normalizer"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    p: Param[float] = Param("undefined", "p", "the p of the norm `(Σ|x|^p)^(1/p)` that becomes 1, at least 1, or infinity", TypeConverters.toFloat)
    _defaults = {
        "p": 2.0,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        p: float | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        p: float | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setP(self, value: float) -> Self:
        """Sets ``p``."""
        return self._set(p=value)

    def getP(self) -> float:
        """The value of ``p``."""
        return self.getOrDefault("p")


class OneHotEncoder(NativeEstimator):
    """Turns indices of categories into vectors that are 1 in the category's place and 0 elsewhere.

    Params:

    - ``inputCol``: input column name (not set by default)
    - ``outputCol``: output column name (default: uid__output)
    - ``inputCols``: input column names (not set by default)
    - ``outputCols``: output column names (not set by default)
    - ``handleInvalid``: what to do with categories not seen in fitting: fail, or give them a place of their own, one
      of error, keep (default: 'error')
    - ``dropLast``: whether the last category has no place of its own but is all zeros (set it to false for a
      network's targets) (default: True)
    """

    _kind = "OneHotEncoder"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    inputCols: Param[list[str]] = Param("undefined", "inputCols", "input column names", TypeConverters.toListString)
    outputCols: Param[list[str]] = Param("undefined", "outputCols", "output column names", TypeConverters.toListString)
    handleInvalid: Param[str] = Param("undefined", "handleInvalid", "what to do with categories not seen in fitting: fail, or give them a place of their own, one of error, keep", TypeConverters.toString)
    dropLast: Param[bool] = Param("undefined", "dropLast", "whether the last category has no place of its own but is all zeros (set it to false for a network's targets)", TypeConverters.toBoolean)
    _defaults = {
        "handleInvalid": "error",
        "dropLast": True,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        inputCols: list[str] | None = None,
        outputCols: list[str] | None = None,
        handleInvalid: str | None = None,
        dropLast: bool | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        inputCols: list[str] | None = None,
        outputCols: list[str] | None = None,
        handleInvalid: str | None = None,
        dropLast: bool | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setInputCols(self, value: list[str]) -> Self:
        """Sets ``inputCols``."""
        return self._set(inputCols=value)

    def getInputCols(self) -> list[str]:
        """The value of ``inputCols``."""
        return self.getOrDefault("inputCols")

    def setOutputCols(self, value: list[str]) -> Self:
        """Sets ``outputCols``."""
        return self._set(outputCols=value)

    def getOutputCols(self) -> list[str]:
        """The value of ``outputCols``."""
        return self.getOrDefault("outputCols")

    def setHandleInvalid(self, value: str) -> Self:
        """Sets ``handleInvalid``."""
        return self._set(handleInvalid=value)

    def getHandleInvalid(self) -> str:
        """The value of ``handleInvalid``."""
        return self.getOrDefault("handleInvalid")

    def setDropLast(self, value: bool) -> Self:
        """Sets ``dropLast``."""
        return self._set(dropLast=value)

    def getDropLast(self) -> bool:
        """The value of ``dropLast``."""
        return self.getOrDefault("dropLast")


class OneHotEncoderModel(NativeModel):
    """A fitted ``OneHotEncoder``.

    Params:

    - ``inputCol``: input column name (not set by default)
    - ``outputCol``: output column name (default: uid__output)
    - ``inputCols``: input column names (not set by default)
    - ``outputCols``: output column names (not set by default)
    - ``handleInvalid``: what to do with categories not seen in fitting: fail, or give them a place of their own, one
      of error, keep (default: 'error')
    - ``dropLast``: whether the last category has no place of its own but is all zeros (set it to false for a
      network's targets) (default: True)
    """

    _kind = "OneHotEncoderModel"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    inputCols: Param[list[str]] = Param("undefined", "inputCols", "input column names", TypeConverters.toListString)
    outputCols: Param[list[str]] = Param("undefined", "outputCols", "output column names", TypeConverters.toListString)
    handleInvalid: Param[str] = Param("undefined", "handleInvalid", "what to do with categories not seen in fitting: fail, or give them a place of their own, one of error, keep", TypeConverters.toString)
    dropLast: Param[bool] = Param("undefined", "dropLast", "whether the last category has no place of its own but is all zeros (set it to false for a network's targets)", TypeConverters.toBoolean)
    _defaults = {
        "handleInvalid": "error",
        "dropLast": True,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setInputCols(self, value: list[str]) -> Self:
        """Sets ``inputCols``."""
        return self._set(inputCols=value)

    def getInputCols(self) -> list[str]:
        """The value of ``inputCols``."""
        return self.getOrDefault("inputCols")

    def setOutputCols(self, value: list[str]) -> Self:
        """Sets ``outputCols``."""
        return self._set(outputCols=value)

    def getOutputCols(self) -> list[str]:
        """The value of ``outputCols``."""
        return self.getOrDefault("outputCols")

    def setHandleInvalid(self, value: str) -> Self:
        """Sets ``handleInvalid``."""
        return self._set(handleInvalid=value)

    def getHandleInvalid(self) -> str:
        """The value of ``handleInvalid``."""
        return self.getOrDefault("handleInvalid")

    def setDropLast(self, value: bool) -> Self:
        """Sets ``dropLast``."""
        return self._set(dropLast=value)

    def getDropLast(self) -> bool:
        """The value of ``dropLast``."""
        return self.getOrDefault("dropLast")

    @property
    def categorySizes(self) -> list[int]:
        """The number of categories of each column."""
        return self._attribute("categorySizes")


class OneVsRest(OneVsRestBase):
    """Makes a classifier of many classes of one that has raw predictions for two: one fit per class, of this class
    against the rest, and the class whose fit scores highest is predicted.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``labelCol``: label column name (default: 'label')
    - ``weightCol``: weight column name; if it is not set, all weights are 1 (not set by default)
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``rawPredictionCol``: raw prediction (confidence) column name (default: 'rawPrediction')
    """

    _kind = "OneVsRest"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    labelCol: Param[str] = Param("undefined", "labelCol", "label column name", TypeConverters.toString)
    weightCol: Param[str] = Param("undefined", "weightCol", "weight column name; if it is not set, all weights are 1", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    rawPredictionCol: Param[str] = Param("undefined", "rawPredictionCol", "raw prediction (confidence) column name", TypeConverters.toString)
    _defaults = {
        "featuresCol": "features",
        "labelCol": "label",
        "predictionCol": "prediction",
        "rawPredictionCol": "rawPrediction",
    }

    @keyword_only
    def __init__(
        self,
        *,
        classifier: Any | None = None,
        featuresCol: str | None = None,
        labelCol: str | None = None,
        weightCol: str | None = None,
        predictionCol: str | None = None,
        rawPredictionCol: str | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        classifier: Any | None = None,
        featuresCol: str | None = None,
        labelCol: str | None = None,
        weightCol: str | None = None,
        predictionCol: str | None = None,
        rawPredictionCol: str | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setLabelCol(self, value: str) -> Self:
        """Sets ``labelCol``."""
        return self._set(labelCol=value)

    def getLabelCol(self) -> str:
        """The value of ``labelCol``."""
        return self.getOrDefault("labelCol")

    def setWeightCol(self, value: str) -> Self:
        """Sets ``weightCol``."""
        return self._set(weightCol=value)

    def getWeightCol(self) -> str:
        """The value of ``weightCol``."""
        return self.getOrDefault("weightCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setRawPredictionCol(self, value: str) -> Self:
        """Sets ``rawPredictionCol``."""
        return self._set(rawPredictionCol=value)

    def getRawPredictionCol(self) -> str:
        """The value of ``rawPredictionCol``."""
        return self.getOrDefault("rawPredictionCol")


class OneVsRestModel(NativeModel):
    """A fitted ``OneVsRest``.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``rawPredictionCol``: raw prediction (confidence) column name (default: 'rawPrediction')
    """

    _kind = "OneVsRestModel"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    rawPredictionCol: Param[str] = Param("undefined", "rawPredictionCol", "raw prediction (confidence) column name", TypeConverters.toString)
    _defaults = {
        "featuresCol": "features",
        "predictionCol": "prediction",
        "rawPredictionCol": "rawPrediction",
    }

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setRawPredictionCol(self, value: str) -> Self:
        """Sets ``rawPredictionCol``."""
        return self._set(rawPredictionCol=value)

    def getRawPredictionCol(self) -> str:
        """The value of ``rawPredictionCol``."""
        return self.getOrDefault("rawPredictionCol")

    @property
    def models(self) -> list[Model]:
        """The model of each class against the rest."""
        return self._attribute("models")


class OnnxTransformer(NativeTransformer):
    """A model in an ONNX file as a stage: operator set 7 and later, whoever wrote it.

    Params:

    - ``inputCol``: the column of a model with one input (not set by default)
    - ``outputCol``: output column name (default: uid__output)
    - ``inputMapping``: a column for each input of the model, as `column=input`; in place of inputCol (not set by
      default)
    - ``outputMapping``: the outputs wanted and their columns, as `output=column`; in place of outputCol. Inner
      tensors may be named, too (not set by default)
    - ``errorCol``: column that says why a row's output is null; if it is not set, none (not set by default)
    - ``modelFile``: the file of the model (required)
    - ``batchSize``: rows per run of the model, where the model leaves their number open, from 1 to 65536 (default:
      32)
    """

    _kind = "OnnxTransformer"
    inputCol: Param[str] = Param("undefined", "inputCol", "the column of a model with one input", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    inputMapping: Param[list[str]] = Param("undefined", "inputMapping", "a column for each input of the model, as `column=input`; in place of inputCol", TypeConverters.toListString)
    outputMapping: Param[list[str]] = Param("undefined", "outputMapping", "the outputs wanted and their columns, as `output=column`; in place of outputCol. Inner tensors may be named, too", TypeConverters.toListString)
    errorCol: Param[str] = Param("undefined", "errorCol", "column that says why a row's output is null; if it is not set, none", TypeConverters.toString)
    modelFile: Param[str] = Param("undefined", "modelFile", "the file of the model", TypeConverters.toString)
    batchSize: Param[int] = Param("undefined", "batchSize", "rows per run of the model, where the model leaves their number open, from 1 to 65536", TypeConverters.toInt)
    _defaults = {
        "batchSize": 32,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        inputMapping: list[str] | None = None,
        outputMapping: list[str] | None = None,
        errorCol: str | None = None,
        modelFile: str | None = None,
        batchSize: int | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        inputMapping: list[str] | None = None,
        outputMapping: list[str] | None = None,
        errorCol: str | None = None,
        modelFile: str | None = None,
        batchSize: int | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setInputMapping(self, value: list[str]) -> Self:
        """Sets ``inputMapping``."""
        return self._set(inputMapping=value)

    def getInputMapping(self) -> list[str]:
        """The value of ``inputMapping``."""
        return self.getOrDefault("inputMapping")

    def setOutputMapping(self, value: list[str]) -> Self:
        """Sets ``outputMapping``."""
        return self._set(outputMapping=value)

    def getOutputMapping(self) -> list[str]:
        """The value of ``outputMapping``."""
        return self.getOrDefault("outputMapping")

    def setErrorCol(self, value: str) -> Self:
        """Sets ``errorCol``."""
        return self._set(errorCol=value)

    def getErrorCol(self) -> str:
        """The value of ``errorCol``."""
        return self.getOrDefault("errorCol")

    def setModelFile(self, value: str) -> Self:
        """Sets ``modelFile``."""
        return self._set(modelFile=value)

    def getModelFile(self) -> str:
        """The value of ``modelFile``."""
        return self.getOrDefault("modelFile")

    def setBatchSize(self, value: int) -> Self:
        """Sets ``batchSize``."""
        return self._set(batchSize=value)

    def getBatchSize(self) -> int:
        """The value of ``batchSize``."""
        return self.getOrDefault("batchSize")


class PCA(NativeEstimator):
    """Projects vectors on the ``k`` directions in which those of fitting vary most.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``k``: number of principal components, at least 1 (required)
    """

    _kind = "PCA"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    k: Param[int] = Param("undefined", "k", "number of principal components, at least 1", TypeConverters.toInt)
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        k: int | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        k: int | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setK(self, value: int) -> Self:
        """Sets ``k``."""
        return self._set(k=value)

    def getK(self) -> int:
        """The value of ``k``."""
        return self.getOrDefault("k")


class PCAModel(NativeModel):
    """A fitted ``Pca``.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    """

    _kind = "PCAModel"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    _defaults_from_uid = {"outputCol": "__output"}

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    @property
    def pc(self) -> numpy.ndarray:
        """The principal components, a column each."""
        return self._attribute("pc")

    @property
    def explainedVariance(self) -> numpy.ndarray:
        """Each component's share of the variance."""
        return self._attribute("explainedVariance")


class RegressionEvaluator(NativeEvaluator):
    """How far predicted numbers are from the labels, by one of MLlib's metrics; the root of the mean squared error
    unless told otherwise.

    Params:

    - ``labelCol``: label column name (default: 'label')
    - ``predictionCol``: prediction column name (default: 'prediction')
    - ``weightCol``: weight column name; if it is not set, all weights are 1 (not set by default)
    - ``metricName``: metric name, one of rmse, mse, r2, mae, var (default: 'rmse')
    - ``throughOrigin``: whether r2 compares with predicting 0 instead of the mean, as suits a regression without an
      intercept (default: False)
    """

    _kind = "RegressionEvaluator"
    labelCol: Param[str] = Param("undefined", "labelCol", "label column name", TypeConverters.toString)
    predictionCol: Param[str] = Param("undefined", "predictionCol", "prediction column name", TypeConverters.toString)
    weightCol: Param[str] = Param("undefined", "weightCol", "weight column name; if it is not set, all weights are 1", TypeConverters.toString)
    metricName: Param[str] = Param("undefined", "metricName", "metric name, one of rmse, mse, r2, mae, var", TypeConverters.toString)
    throughOrigin: Param[bool] = Param("undefined", "throughOrigin", "whether r2 compares with predicting 0 instead of the mean, as suits a regression without an intercept", TypeConverters.toBoolean)
    _defaults = {
        "labelCol": "label",
        "predictionCol": "prediction",
        "metricName": "rmse",
        "throughOrigin": False,
    }

    @keyword_only
    def __init__(
        self,
        *,
        labelCol: str | None = None,
        predictionCol: str | None = None,
        weightCol: str | None = None,
        metricName: str | None = None,
        throughOrigin: bool | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        labelCol: str | None = None,
        predictionCol: str | None = None,
        weightCol: str | None = None,
        metricName: str | None = None,
        throughOrigin: bool | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setLabelCol(self, value: str) -> Self:
        """Sets ``labelCol``."""
        return self._set(labelCol=value)

    def getLabelCol(self) -> str:
        """The value of ``labelCol``."""
        return self.getOrDefault("labelCol")

    def setPredictionCol(self, value: str) -> Self:
        """Sets ``predictionCol``."""
        return self._set(predictionCol=value)

    def getPredictionCol(self) -> str:
        """The value of ``predictionCol``."""
        return self.getOrDefault("predictionCol")

    def setWeightCol(self, value: str) -> Self:
        """Sets ``weightCol``."""
        return self._set(weightCol=value)

    def getWeightCol(self) -> str:
        """The value of ``weightCol``."""
        return self.getOrDefault("weightCol")

    def setMetricName(self, value: str) -> Self:
        """Sets ``metricName``."""
        return self._set(metricName=value)

    def getMetricName(self) -> str:
        """The value of ``metricName``."""
        return self.getOrDefault("metricName")

    def setThroughOrigin(self, value: bool) -> Self:
        """Sets ``throughOrigin``."""
        return self._set(throughOrigin=value)

    def getThroughOrigin(self) -> bool:
        """The value of ``throughOrigin``."""
        return self.getOrDefault("throughOrigin")


class SQLTransformer(NativeTransformer):
    """The answer of a ``SELECT`` statement over the table, which it calls ``__THIS__``.

    Params:

    - ``statement``: SELECT statement in which __THIS__ stands for the table (required)
    """

    _kind = "SQLTransformer"
    statement: Param[str] = Param("undefined", "statement", "SELECT statement in which __THIS__ stands for the table", TypeConverters.toString)

    @keyword_only
    def __init__(
        self,
        *,
        statement: str | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        statement: str | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setStatement(self, value: str) -> Self:
        """Sets ``statement``."""
        return self._set(statement=value)

    def getStatement(self) -> str:
        """The value of ``statement``."""
        return self.getOrDefault("statement")


class SimilarImages(NativeEstimator):
    """Remembers images by their features, and finds for each row the ``k`` most similar of them, exactly.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``idCol``: column that tells the training rows apart (default: 'origin')
    - ``outputCol``: output column name (default: uid__output)
    - ``k``: number of similar rows to find, at least 1 (default: 5)
    """

    _kind = "SimilarImages"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    idCol: Param[str] = Param("undefined", "idCol", "column that tells the training rows apart", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    k: Param[int] = Param("undefined", "k", "number of similar rows to find, at least 1", TypeConverters.toInt)
    _defaults = {
        "featuresCol": "features",
        "idCol": "origin",
        "k": 5,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        featuresCol: str | None = None,
        idCol: str | None = None,
        outputCol: str | None = None,
        k: int | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        featuresCol: str | None = None,
        idCol: str | None = None,
        outputCol: str | None = None,
        k: int | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setIdCol(self, value: str) -> Self:
        """Sets ``idCol``."""
        return self._set(idCol=value)

    def getIdCol(self) -> str:
        """The value of ``idCol``."""
        return self.getOrDefault("idCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setK(self, value: int) -> Self:
        """Sets ``k``."""
        return self._set(k=value)

    def getK(self) -> int:
        """The value of ``k``."""
        return self.getOrDefault("k")


class SimilarImagesModel(NativeModel):
    """A fitted ``SimilarImages``.

    Params:

    - ``featuresCol``: features column name (default: 'features')
    - ``outputCol``: output column name (default: uid__output)
    - ``k``: number of similar rows to find, at least 1 (default: 5)
    """

    _kind = "SimilarImagesModel"
    featuresCol: Param[str] = Param("undefined", "featuresCol", "features column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    k: Param[int] = Param("undefined", "k", "number of similar rows to find, at least 1", TypeConverters.toInt)
    _defaults = {
        "featuresCol": "features",
        "k": 5,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    def setFeaturesCol(self, value: str) -> Self:
        """Sets ``featuresCol``."""
        return self._set(featuresCol=value)

    def getFeaturesCol(self) -> str:
        """The value of ``featuresCol``."""
        return self.getOrDefault("featuresCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setK(self, value: int) -> Self:
        """Sets ``k``."""
        return self._set(k=value)

    def getK(self) -> int:
        """The value of ``k``."""
        return self.getOrDefault("k")

    @property
    def numRows(self) -> int:
        """Images among which is searched."""
        return self._attribute("numRows")

    @property
    def rowsLeftOut(self) -> int:
        """Rows left out because a value is null."""
        return self._attribute("rowsLeftOut")


class StandardScaler(NativeEstimator):
    """Brings every feature to a standard deviation of 1 and, if wanted, to a mean of 0.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``withMean``: whether to subtract the mean first (default: False)
    - ``withStd``: whether to scale to a standard deviation of 1 (default: True)
    """

    _kind = "StandardScaler"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    withMean: Param[bool] = Param("undefined", "withMean", "whether to subtract the mean first", TypeConverters.toBoolean)
    withStd: Param[bool] = Param("undefined", "withStd", "whether to scale to a standard deviation of 1", TypeConverters.toBoolean)
    _defaults = {
        "withMean": False,
        "withStd": True,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        withMean: bool | None = None,
        withStd: bool | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        withMean: bool | None = None,
        withStd: bool | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setWithMean(self, value: bool) -> Self:
        """Sets ``withMean``."""
        return self._set(withMean=value)

    def getWithMean(self) -> bool:
        """The value of ``withMean``."""
        return self.getOrDefault("withMean")

    def setWithStd(self, value: bool) -> Self:
        """Sets ``withStd``."""
        return self._set(withStd=value)

    def getWithStd(self) -> bool:
        """The value of ``withStd``."""
        return self.getOrDefault("withStd")


class StandardScalerModel(NativeModel):
    """A fitted ``StandardScaler``.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``withMean``: whether to subtract the mean first (default: False)
    - ``withStd``: whether to scale to a standard deviation of 1 (default: True)
    """

    _kind = "StandardScalerModel"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    withMean: Param[bool] = Param("undefined", "withMean", "whether to subtract the mean first", TypeConverters.toBoolean)
    withStd: Param[bool] = Param("undefined", "withStd", "whether to scale to a standard deviation of 1", TypeConverters.toBoolean)
    _defaults = {
        "withMean": False,
        "withStd": True,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setWithMean(self, value: bool) -> Self:
        """Sets ``withMean``."""
        return self._set(withMean=value)

    def getWithMean(self) -> bool:
        """The value of ``withMean``."""
        return self.getOrDefault("withMean")

    def setWithStd(self, value: bool) -> Self:
        """Sets ``withStd``."""
        return self._set(withStd=value)

    def getWithStd(self) -> bool:
        """The value of ``withStd``."""
        return self.getOrDefault("withStd")

    @property
    def mean(self) -> numpy.ndarray:
        """The mean of each feature."""
        return self._attribute("mean")

    @property
    def std(self) -> numpy.ndarray:
        """The standard deviation of each feature."""
        return self._attribute("std")


class StringIndexer(NativeEstimator):
    """Learns an index for each label of a column: the most frequent gets 0, equally frequent ones in alphabetic order.

    Params:

    - ``inputCol``: input column name (not set by default)
    - ``outputCol``: output column name (default: uid__output)
    - ``inputCols``: input column names (not set by default)
    - ``outputCols``: output column names (not set by default)
    - ``handleInvalid``: what to do with nulls and labels not seen in fitting: fail, leave the row out, or give them
      an index of their own, one of error, skip, keep (default: 'error')
    - ``stringOrderType``: how labels are ordered; the first one gets index 0, one of frequencyDesc, frequencyAsc,
      alphabetDesc, alphabetAsc (default: 'frequencyDesc')
    """

    _kind = "StringIndexer"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    inputCols: Param[list[str]] = Param("undefined", "inputCols", "input column names", TypeConverters.toListString)
    outputCols: Param[list[str]] = Param("undefined", "outputCols", "output column names", TypeConverters.toListString)
    handleInvalid: Param[str] = Param("undefined", "handleInvalid", "what to do with nulls and labels not seen in fitting: fail, leave the row out, or give them an index of their own, one of error, skip, keep", TypeConverters.toString)
    stringOrderType: Param[str] = Param("undefined", "stringOrderType", "how labels are ordered; the first one gets index 0, one of frequencyDesc, frequencyAsc, alphabetDesc, alphabetAsc", TypeConverters.toString)
    _defaults = {
        "handleInvalid": "error",
        "stringOrderType": "frequencyDesc",
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        inputCols: list[str] | None = None,
        outputCols: list[str] | None = None,
        handleInvalid: str | None = None,
        stringOrderType: str | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        inputCols: list[str] | None = None,
        outputCols: list[str] | None = None,
        handleInvalid: str | None = None,
        stringOrderType: str | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setInputCols(self, value: list[str]) -> Self:
        """Sets ``inputCols``."""
        return self._set(inputCols=value)

    def getInputCols(self) -> list[str]:
        """The value of ``inputCols``."""
        return self.getOrDefault("inputCols")

    def setOutputCols(self, value: list[str]) -> Self:
        """Sets ``outputCols``."""
        return self._set(outputCols=value)

    def getOutputCols(self) -> list[str]:
        """The value of ``outputCols``."""
        return self.getOrDefault("outputCols")

    def setHandleInvalid(self, value: str) -> Self:
        """Sets ``handleInvalid``."""
        return self._set(handleInvalid=value)

    def getHandleInvalid(self) -> str:
        """The value of ``handleInvalid``."""
        return self.getOrDefault("handleInvalid")

    def setStringOrderType(self, value: str) -> Self:
        """Sets ``stringOrderType``."""
        return self._set(stringOrderType=value)

    def getStringOrderType(self) -> str:
        """The value of ``stringOrderType``."""
        return self.getOrDefault("stringOrderType")


class StringIndexerModel(NativeModel):
    """A fitted ``StringIndexer``: label → index. As in MLlib, an input column that a table has not got is passed over.

    Params:

    - ``inputCol``: input column name (not set by default)
    - ``outputCol``: output column name (default: uid__output)
    - ``inputCols``: input column names (not set by default)
    - ``outputCols``: output column names (not set by default)
    - ``handleInvalid``: what to do with nulls and labels not seen in fitting: fail, leave the row out, or give them
      an index of their own, one of error, skip, keep (default: 'error')
    - ``stringOrderType``: how labels are ordered; the first one gets index 0, one of frequencyDesc, frequencyAsc,
      alphabetDesc, alphabetAsc (default: 'frequencyDesc')
    """

    _kind = "StringIndexerModel"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    inputCols: Param[list[str]] = Param("undefined", "inputCols", "input column names", TypeConverters.toListString)
    outputCols: Param[list[str]] = Param("undefined", "outputCols", "output column names", TypeConverters.toListString)
    handleInvalid: Param[str] = Param("undefined", "handleInvalid", "what to do with nulls and labels not seen in fitting: fail, leave the row out, or give them an index of their own, one of error, skip, keep", TypeConverters.toString)
    stringOrderType: Param[str] = Param("undefined", "stringOrderType", "how labels are ordered; the first one gets index 0, one of frequencyDesc, frequencyAsc, alphabetDesc, alphabetAsc", TypeConverters.toString)
    _defaults = {
        "handleInvalid": "error",
        "stringOrderType": "frequencyDesc",
    }
    _defaults_from_uid = {"outputCol": "__output"}

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setInputCols(self, value: list[str]) -> Self:
        """Sets ``inputCols``."""
        return self._set(inputCols=value)

    def getInputCols(self) -> list[str]:
        """The value of ``inputCols``."""
        return self.getOrDefault("inputCols")

    def setOutputCols(self, value: list[str]) -> Self:
        """Sets ``outputCols``."""
        return self._set(outputCols=value)

    def getOutputCols(self) -> list[str]:
        """The value of ``outputCols``."""
        return self.getOrDefault("outputCols")

    def setHandleInvalid(self, value: str) -> Self:
        """Sets ``handleInvalid``."""
        return self._set(handleInvalid=value)

    def getHandleInvalid(self) -> str:
        """The value of ``handleInvalid``."""
        return self.getOrDefault("handleInvalid")

    def setStringOrderType(self, value: str) -> Self:
        """Sets ``stringOrderType``."""
        return self._set(stringOrderType=value)

    def getStringOrderType(self) -> str:
        """The value of ``stringOrderType``."""
        return self.getOrDefault("stringOrderType")

    @property
    def labels(self) -> list[str]:
        """The labels of the first column, in the order of their numbers."""
        return self._attribute("labels")

    @property
    def labelsArray(self) -> list[list[str]]:
        """The labels of each column."""
        return self._attribute("labelsArray")


class TFImageTransformer(NativeTransformer):
    """sparkdl's ``TFImageTransformer``: a SavedModel, a frozen graph, or an ONNX file (called ``.onnx``) over images.

    Params:

    - ``inputCol``: input column name (required)
    - ``outputCol``: output column name (default: uid__output)
    - ``errorCol``: column that says why a row's output is null; if it is not set, none (not set by default)
    - ``modelFile``: the file of the model (required)
    - ``tagSet``: which of the graphs of a SavedModel: its tags, with commas between them (default: 'serve')
    - ``signatureDefKey``: which of the signatures of a SavedModel names the inputs and outputs (default:
      'serving_default')
    - ``channelOrder``: the channels that the model takes: RGB, BGR or L (gray), one of L, RGB, BGR (required)
    - ``inputTensor``: the input of images; if it is not set, the model's only one (not set by default)
    - ``outputTensor``: the output, or an inner tensor; if it is not set, the model's only output (not set by default)
    - ``outputMode``: whether the output is a vector, or an image of the output's height and width, one of vector,
      image (default: 'vector')
    - ``scaleHint``: how images are brought to the network's size; if it is not set, as the network's card says, one
      of bilinear, bicubic, area, nearest, SCALE_AREA_AVERAGING, SCALE_SMOOTH, SCALE_DEFAULT, SCALE_FAST,
      SCALE_REPLICATE (not set by default)
    - ``height``: rows of pixels that the model is given, where it leaves them open, from 1 to 65535 (not set by
      default)
    - ``width``: pixels per row that the model is given, where it leaves them open, from 1 to 65535 (not set by
      default)
    - ``batchSize``: rows per run of the model, where the model leaves their number open, from 1 to 65536 (default:
      32)
    """

    _kind = "TFImageTransformer"
    inputCol: Param[str] = Param("undefined", "inputCol", "input column name", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    errorCol: Param[str] = Param("undefined", "errorCol", "column that says why a row's output is null; if it is not set, none", TypeConverters.toString)
    modelFile: Param[str] = Param("undefined", "modelFile", "the file of the model", TypeConverters.toString)
    tagSet: Param[str] = Param("undefined", "tagSet", "which of the graphs of a SavedModel: its tags, with commas between them", TypeConverters.toString)
    signatureDefKey: Param[str] = Param("undefined", "signatureDefKey", "which of the signatures of a SavedModel names the inputs and outputs", TypeConverters.toString)
    channelOrder: Param[str] = Param("undefined", "channelOrder", "the channels that the model takes: RGB, BGR or L (gray), one of L, RGB, BGR", TypeConverters.toString)
    inputTensor: Param[str] = Param("undefined", "inputTensor", "the input of images; if it is not set, the model's only one", TypeConverters.toString)
    outputTensor: Param[str] = Param("undefined", "outputTensor", "the output, or an inner tensor; if it is not set, the model's only output", TypeConverters.toString)
    outputMode: Param[str] = Param("undefined", "outputMode", "whether the output is a vector, or an image of the output's height and width, one of vector, image", TypeConverters.toString)
    scaleHint: Param[str] = Param("undefined", "scaleHint", "how images are brought to the network's size; if it is not set, as the network's card says, one of bilinear, bicubic, area, nearest, SCALE_AREA_AVERAGING, SCALE_SMOOTH, SCALE_DEFAULT, SCALE_FAST, SCALE_REPLICATE", TypeConverters.toString)
    height: Param[int] = Param("undefined", "height", "rows of pixels that the model is given, where it leaves them open, from 1 to 65535", TypeConverters.toInt)
    width: Param[int] = Param("undefined", "width", "pixels per row that the model is given, where it leaves them open, from 1 to 65535", TypeConverters.toInt)
    batchSize: Param[int] = Param("undefined", "batchSize", "rows per run of the model, where the model leaves their number open, from 1 to 65536", TypeConverters.toInt)
    _defaults = {
        "tagSet": "serve",
        "signatureDefKey": "serving_default",
        "outputMode": "vector",
        "batchSize": 32,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        errorCol: str | None = None,
        modelFile: str | None = None,
        tagSet: str | None = None,
        signatureDefKey: str | None = None,
        channelOrder: str | None = None,
        inputTensor: str | None = None,
        outputTensor: str | None = None,
        outputMode: str | None = None,
        scaleHint: str | None = None,
        height: int | None = None,
        width: int | None = None,
        batchSize: int | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        errorCol: str | None = None,
        modelFile: str | None = None,
        tagSet: str | None = None,
        signatureDefKey: str | None = None,
        channelOrder: str | None = None,
        inputTensor: str | None = None,
        outputTensor: str | None = None,
        outputMode: str | None = None,
        scaleHint: str | None = None,
        height: int | None = None,
        width: int | None = None,
        batchSize: int | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setErrorCol(self, value: str) -> Self:
        """Sets ``errorCol``."""
        return self._set(errorCol=value)

    def getErrorCol(self) -> str:
        """The value of ``errorCol``."""
        return self.getOrDefault("errorCol")

    def setModelFile(self, value: str) -> Self:
        """Sets ``modelFile``."""
        return self._set(modelFile=value)

    def getModelFile(self) -> str:
        """The value of ``modelFile``."""
        return self.getOrDefault("modelFile")

    def setTagSet(self, value: str) -> Self:
        """Sets ``tagSet``."""
        return self._set(tagSet=value)

    def getTagSet(self) -> str:
        """The value of ``tagSet``."""
        return self.getOrDefault("tagSet")

    def setSignatureDefKey(self, value: str) -> Self:
        """Sets ``signatureDefKey``."""
        return self._set(signatureDefKey=value)

    def getSignatureDefKey(self) -> str:
        """The value of ``signatureDefKey``."""
        return self.getOrDefault("signatureDefKey")

    def setChannelOrder(self, value: str) -> Self:
        """Sets ``channelOrder``."""
        return self._set(channelOrder=value)

    def getChannelOrder(self) -> str:
        """The value of ``channelOrder``."""
        return self.getOrDefault("channelOrder")

    def setInputTensor(self, value: str) -> Self:
        """Sets ``inputTensor``."""
        return self._set(inputTensor=value)

    def getInputTensor(self) -> str:
        """The value of ``inputTensor``."""
        return self.getOrDefault("inputTensor")

    def setOutputTensor(self, value: str) -> Self:
        """Sets ``outputTensor``."""
        return self._set(outputTensor=value)

    def getOutputTensor(self) -> str:
        """The value of ``outputTensor``."""
        return self.getOrDefault("outputTensor")

    def setOutputMode(self, value: str) -> Self:
        """Sets ``outputMode``."""
        return self._set(outputMode=value)

    def getOutputMode(self) -> str:
        """The value of ``outputMode``."""
        return self.getOrDefault("outputMode")

    def setScaleHint(self, value: str) -> Self:
        """Sets ``scaleHint``."""
        return self._set(scaleHint=value)

    def getScaleHint(self) -> str:
        """The value of ``scaleHint``."""
        return self.getOrDefault("scaleHint")

    def setHeight(self, value: int) -> Self:
        """Sets ``height``."""
        return self._set(height=value)

    def getHeight(self) -> int:
        """The value of ``height``."""
        return self.getOrDefault("height")

    def setWidth(self, value: int) -> Self:
        """Sets ``width``."""
        return self._set(width=value)

    def getWidth(self) -> int:
        """The value of ``width``."""
        return self.getOrDefault("width")

    def setBatchSize(self, value: int) -> Self:
        """Sets ``batchSize``."""
        return self._set(batchSize=value)

    def getBatchSize(self) -> int:
        """The value of ``batchSize``."""
        return self.getOrDefault("batchSize")


class TFTransformer(NativeTransformer):
    """sparkdl's ``TFTransformer``: a SavedModel or a frozen graph as a stage. Inputs and outputs go by the names of the
    signature, or are tensors, ``name:0``.

    Params:

    - ``inputCol``: the column of a model with one input (not set by default)
    - ``outputCol``: output column name (default: uid__output)
    - ``inputMapping``: a column for each input of the model, as `column=input`; in place of inputCol (not set by
      default)
    - ``outputMapping``: the outputs wanted and their columns, as `output=column`; in place of outputCol. Inner
      tensors may be named, too (not set by default)
    - ``errorCol``: column that says why a row's output is null; if it is not set, none (not set by default)
    - ``modelFile``: the file of the model (required)
    - ``tagSet``: which of the graphs of a SavedModel: its tags, with commas between them (default: 'serve')
    - ``signatureDefKey``: which of the signatures of a SavedModel names the inputs and outputs (default:
      'serving_default')
    - ``batchSize``: rows per run of the model, where the model leaves their number open, from 1 to 65536 (default:
      32)
    """

    _kind = "TFTransformer"
    inputCol: Param[str] = Param("undefined", "inputCol", "the column of a model with one input", TypeConverters.toString)
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    inputMapping: Param[list[str]] = Param("undefined", "inputMapping", "a column for each input of the model, as `column=input`; in place of inputCol", TypeConverters.toListString)
    outputMapping: Param[list[str]] = Param("undefined", "outputMapping", "the outputs wanted and their columns, as `output=column`; in place of outputCol. Inner tensors may be named, too", TypeConverters.toListString)
    errorCol: Param[str] = Param("undefined", "errorCol", "column that says why a row's output is null; if it is not set, none", TypeConverters.toString)
    modelFile: Param[str] = Param("undefined", "modelFile", "the file of the model", TypeConverters.toString)
    tagSet: Param[str] = Param("undefined", "tagSet", "which of the graphs of a SavedModel: its tags, with commas between them", TypeConverters.toString)
    signatureDefKey: Param[str] = Param("undefined", "signatureDefKey", "which of the signatures of a SavedModel names the inputs and outputs", TypeConverters.toString)
    batchSize: Param[int] = Param("undefined", "batchSize", "rows per run of the model, where the model leaves their number open, from 1 to 65536", TypeConverters.toInt)
    _defaults = {
        "tagSet": "serve",
        "signatureDefKey": "serving_default",
        "batchSize": 32,
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        inputMapping: list[str] | None = None,
        outputMapping: list[str] | None = None,
        errorCol: str | None = None,
        modelFile: str | None = None,
        tagSet: str | None = None,
        signatureDefKey: str | None = None,
        batchSize: int | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        inputMapping: list[str] | None = None,
        outputMapping: list[str] | None = None,
        errorCol: str | None = None,
        modelFile: str | None = None,
        tagSet: str | None = None,
        signatureDefKey: str | None = None,
        batchSize: int | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setInputCol(self, value: str) -> Self:
        """Sets ``inputCol``."""
        return self._set(inputCol=value)

    def getInputCol(self) -> str:
        """The value of ``inputCol``."""
        return self.getOrDefault("inputCol")

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setInputMapping(self, value: list[str]) -> Self:
        """Sets ``inputMapping``."""
        return self._set(inputMapping=value)

    def getInputMapping(self) -> list[str]:
        """The value of ``inputMapping``."""
        return self.getOrDefault("inputMapping")

    def setOutputMapping(self, value: list[str]) -> Self:
        """Sets ``outputMapping``."""
        return self._set(outputMapping=value)

    def getOutputMapping(self) -> list[str]:
        """The value of ``outputMapping``."""
        return self.getOrDefault("outputMapping")

    def setErrorCol(self, value: str) -> Self:
        """Sets ``errorCol``."""
        return self._set(errorCol=value)

    def getErrorCol(self) -> str:
        """The value of ``errorCol``."""
        return self.getOrDefault("errorCol")

    def setModelFile(self, value: str) -> Self:
        """Sets ``modelFile``."""
        return self._set(modelFile=value)

    def getModelFile(self) -> str:
        """The value of ``modelFile``."""
        return self.getOrDefault("modelFile")

    def setTagSet(self, value: str) -> Self:
        """Sets ``tagSet``."""
        return self._set(tagSet=value)

    def getTagSet(self) -> str:
        """The value of ``tagSet``."""
        return self.getOrDefault("tagSet")

    def setSignatureDefKey(self, value: str) -> Self:
        """Sets ``signatureDefKey``."""
        return self._set(signatureDefKey=value)

    def getSignatureDefKey(self) -> str:
        """The value of ``signatureDefKey``."""
        return self.getOrDefault("signatureDefKey")

    def setBatchSize(self, value: int) -> Self:
        """Sets ``batchSize``."""
        return self._set(batchSize=value)

    def getBatchSize(self) -> int:
        """The value of ``batchSize``."""
        return self.getOrDefault("batchSize")


class TrainValidationSplit(Validator):
    """Chooses among candidates by one split of the rows and fits the best one on all of them: cheaper than a
    ``CrossValidator``, and less sure. All that is said there of shared stages, of hashes and of candidates that fail
    holds here.

    Params:

    - ``trainRatio``: share of the rows to train on; the others validate, from 0 to 1 (default: 0.75)
    - ``seed``: random seed (default: 0)
    - ``halvingFactor``: successive halving: each round keeps one of so many candidates and takes so many times the
      rows, the last one all; if not set, every candidate is measured on all rows, at least 2 (not set by default)
    - ``collectSubModels``: whether the models of every fold and candidate are kept (default: False)
    - ``maxMemoryInMB``: MiB that candidates fitted together may take beside the features and the models, if that is
      at all possible: less is fitted at a time, at least 1 (default: 1024)
    - ``parallelism``: taken from MLlib and not needed: what runs at once is chosen by the cores, and does not change
      the answers, at least 1 (default: 1)
    """

    _kind = "TrainValidationSplit"
    trainRatio: Param[float] = Param("undefined", "trainRatio", "share of the rows to train on; the others validate, from 0 to 1", TypeConverters.toFloat)
    seed: Param[int] = Param("undefined", "seed", "random seed", TypeConverters.toInt)
    halvingFactor: Param[int] = Param("undefined", "halvingFactor", "successive halving: each round keeps one of so many candidates and takes so many times the rows, the last one all; if not set, every candidate is measured on all rows, at least 2", TypeConverters.toInt)
    collectSubModels: Param[bool] = Param("undefined", "collectSubModels", "whether the models of every fold and candidate are kept", TypeConverters.toBoolean)
    maxMemoryInMB: Param[int] = Param("undefined", "maxMemoryInMB", "MiB that candidates fitted together may take beside the features and the models, if that is at all possible: less is fitted at a time, at least 1", TypeConverters.toInt)
    parallelism: Param[int] = Param("undefined", "parallelism", "taken from MLlib and not needed: what runs at once is chosen by the cores, and does not change the answers, at least 1", TypeConverters.toInt)
    _defaults = {
        "trainRatio": 0.75,
        "seed": 0,
        "collectSubModels": False,
        "maxMemoryInMB": 1024,
        "parallelism": 1,
    }

    @keyword_only
    def __init__(
        self,
        *,
        estimator: Any | None = None,
        estimatorParamMaps: Any | None = None,
        evaluator: Any | None = None,
        trainRatio: float | None = None,
        seed: int | None = None,
        halvingFactor: int | None = None,
        collectSubModels: bool | None = None,
        maxMemoryInMB: int | None = None,
        parallelism: int | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        estimator: Any | None = None,
        estimatorParamMaps: Any | None = None,
        evaluator: Any | None = None,
        trainRatio: float | None = None,
        seed: int | None = None,
        halvingFactor: int | None = None,
        collectSubModels: bool | None = None,
        maxMemoryInMB: int | None = None,
        parallelism: int | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setTrainRatio(self, value: float) -> Self:
        """Sets ``trainRatio``."""
        return self._set(trainRatio=value)

    def getTrainRatio(self) -> float:
        """The value of ``trainRatio``."""
        return self.getOrDefault("trainRatio")

    def setSeed(self, value: int) -> Self:
        """Sets ``seed``."""
        return self._set(seed=value)

    def getSeed(self) -> int:
        """The value of ``seed``."""
        return self.getOrDefault("seed")

    def setHalvingFactor(self, value: int) -> Self:
        """Sets ``halvingFactor``."""
        return self._set(halvingFactor=value)

    def getHalvingFactor(self) -> int:
        """The value of ``halvingFactor``."""
        return self.getOrDefault("halvingFactor")

    def setCollectSubModels(self, value: bool) -> Self:
        """Sets ``collectSubModels``."""
        return self._set(collectSubModels=value)

    def getCollectSubModels(self) -> bool:
        """The value of ``collectSubModels``."""
        return self.getOrDefault("collectSubModels")

    def setMaxMemoryInMB(self, value: int) -> Self:
        """Sets ``maxMemoryInMB``."""
        return self._set(maxMemoryInMB=value)

    def getMaxMemoryInMB(self) -> int:
        """The value of ``maxMemoryInMB``."""
        return self.getOrDefault("maxMemoryInMB")

    def setParallelism(self, value: int) -> Self:
        """Sets ``parallelism``."""
        return self._set(parallelism=value)

    def getParallelism(self) -> int:
        """The value of ``parallelism``."""
        return self.getOrDefault("parallelism")


class TrainValidationSplitModel(ValidatorModel):
    """What a ``TrainValidationSplit`` found; as a stage, the best model.

    Params:

    - ``trainRatio``: share of the rows to train on; the others validate, from 0 to 1 (default: 0.75)
    - ``seed``: random seed (default: 0)
    """

    _kind = "TrainValidationSplitModel"
    trainRatio: Param[float] = Param("undefined", "trainRatio", "share of the rows to train on; the others validate, from 0 to 1", TypeConverters.toFloat)
    seed: Param[int] = Param("undefined", "seed", "random seed", TypeConverters.toInt)
    _defaults = {
        "trainRatio": 0.75,
        "seed": 0,
    }

    def setTrainRatio(self, value: float) -> Self:
        """Sets ``trainRatio``."""
        return self._set(trainRatio=value)

    def getTrainRatio(self) -> float:
        """The value of ``trainRatio``."""
        return self.getOrDefault("trainRatio")

    def setSeed(self, value: int) -> Self:
        """Sets ``seed``."""
        return self._set(seed=value)

    def getSeed(self) -> int:
        """The value of ``seed``."""
        return self.getOrDefault("seed")

    @property
    def bestModel(self) -> Model:
        """The best candidate, fitted on all rows."""
        return self._attribute("bestModel")

    @property
    def bestIndex(self) -> int:
        """Its place among the candidates."""
        return self._attribute("bestIndex")

    @property
    def validationMetrics(self) -> list[float]:
        """Each candidate's metric; NaN for one that failed."""
        return self._attribute("validationMetrics")

    @property
    def errors(self) -> list[str | None]:
        """Why a candidate failed, for those that did."""
        return self._attribute("errors")

    @property
    def subModels(self) -> list[Model | None] | None:
        """With collectSubModels, the models by candidate."""
        return self._attribute("subModels")


class VectorAssembler(NativeTransformer):
    """Joins columns of numbers, booleans and vectors into one column of vectors, in the order of ``inputCols``.

    Params:

    - ``outputCol``: output column name (default: uid__output)
    - ``inputCols``: input column names (required)
    - ``handleInvalid``: what to do with nulls and numbers that are NaN: fail, leave the row out, or put NaN in their
      place, one of error, skip, keep (default: 'error')
    """

    _kind = "VectorAssembler"
    outputCol: Param[str] = Param("undefined", "outputCol", "output column name", TypeConverters.toString)
    inputCols: Param[list[str]] = Param("undefined", "inputCols", "input column names", TypeConverters.toListString)
    handleInvalid: Param[str] = Param("undefined", "handleInvalid", "what to do with nulls and numbers that are NaN: fail, leave the row out, or put NaN in their place, one of error, skip, keep", TypeConverters.toString)
    _defaults = {
        "handleInvalid": "error",
    }
    _defaults_from_uid = {"outputCol": "__output"}

    @keyword_only
    def __init__(
        self,
        *,
        outputCol: str | None = None,
        inputCols: list[str] | None = None,
        handleInvalid: str | None = None,
    ) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(
        self,
        *,
        outputCol: str | None = None,
        inputCols: list[str] | None = None,
        handleInvalid: str | None = None,
    ) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setOutputCol(self, value: str) -> Self:
        """Sets ``outputCol``."""
        return self._set(outputCol=value)

    def getOutputCol(self) -> str:
        """The value of ``outputCol``."""
        return self.getOrDefault("outputCol")

    def setInputCols(self, value: list[str]) -> Self:
        """Sets ``inputCols``."""
        return self._set(inputCols=value)

    def getInputCols(self) -> list[str]:
        """The value of ``inputCols``."""
        return self.getOrDefault("inputCols")

    def setHandleInvalid(self, value: str) -> Self:
        """Sets ``handleInvalid``."""
        return self._set(handleInvalid=value)

    def getHandleInvalid(self) -> str:
        """The value of ``handleInvalid``."""
        return self.getOrDefault("handleInvalid")
