# frames: noise
import cv2
import numpy as np

def reward(image):
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    bw = cv2.inRange(gray, 90, 200)
    contours, _ = cv2.findContours(bw, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    shapes = {"triangle": 0, "quad": 0, "other": 0}
    for c in contours:
        n = len(cv2.approxPolyDP(c, 0.05 * cv2.arcLength(c, True), True))
        if n == 3:
            shapes["triangle"] += 1
        elif n == 4:
            shapes["quad"] += 1
        else:
            shapes["other"] += 1
    return shapes["triangle"] + 0.1 * shapes["quad"] + 0.01 * shapes["other"]
