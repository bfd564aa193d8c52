# frames: drawer
import cv2
import numpy as np

def reward(image):
    """The inside of the drawer is bright and not saturated: count such pixels on the right."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    pale = cv2.inRange(hsv, np.array([15, 20, 110]), np.array([35, 110, 255]))
    right = pale[20:40, 30:60]
    return cv2.countNonZero(right) / right.size
