# frames: table
import cv2
import numpy as np

def boxes(image, lo, hi):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    cnts, _ = cv2.findContours(cv2.inRange(hsv, np.array(lo), np.array(hi)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [cv2.boundingRect(c) for c in cnts if cv2.contourArea(c) >= 9]

def overlaps(a, b):
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]

def reward(image):
    zones = boxes(image, [40, 40, 40], [80, 255, 255])
    blocks = boxes(image, [100, 80, 80], [120, 255, 255])
    return float(any(overlaps(z, b) for z in zones for b in blocks))
