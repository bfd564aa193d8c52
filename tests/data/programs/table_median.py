# frames: table
import cv2
import numpy as np

def reward(image):
    smooth = cv2.medianBlur(image, 3)
    hsv = cv2.cvtColor(smooth, cv2.COLOR_RGB2HSV)
    sat = hsv[:, :, 1]
    ys, xs = np.where(sat > 100)
    if ys.size < 5:
        return 0.0
    return float(np.median(xs)) / 64 + float(ys.std()) / 640
