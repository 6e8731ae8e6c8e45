"""Runs on the emulated core: the ImageSig authors' way from a raw frame to a label, in executed instructions.

usage: authors_inside.py COUNTS MODEL.tflite    under numpy 1 with OpenCV, iisignature and tflite-runtime
As their published code does it: INTER_AREA, divide by 255, one iisignature call a row, a quarter turn by warpAffine, again.
Prints one JSON object, stage -> instructions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import iisignature
import numpy as np
from cost_inside import Counter, frame

SIZE, DEPTH = 64, 4


def rotate(image: np.ndarray) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), 90, 1)
    return cv2.warpAffine(image, matrix, (SIZE, SIZE))


def signatures(image: np.ndarray) -> np.ndarray:
    return np.array([iisignature.sig(row, DEPTH) for row in image / 255])


def main(counts: Path, model: Path) -> None:
    from tflite_runtime.interpreter import Interpreter

    cv2.setNumThreads(1)
    interpreter = Interpreter(str(model), num_threads=1)
    interpreter.allocate_tensors()
    given, wanted = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def infer(features: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(given, features[np.newaxis].astype(np.float32))
        interpreter.invoke()
        return interpreter.get_tensor(wanted)

    def predict(image: np.ndarray) -> int:
        small = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        return int(infer(np.concatenate([signatures(small), signatures(rotate(small))])).argmax())

    count, image = Counter(counts), frame()
    small = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    features = np.concatenate([signatures(small), signatures(rotate(small))])
    costs = {
        "resize": count(lambda: cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)),
        "rotation": count(lambda: rotate(small)),
        "signatures": count(lambda: (signatures(small), signatures(small))),
        "inference": count(lambda: infer(features)),
        "frame to label": count(lambda: predict(image)),
    }
    json.dump(costs, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
