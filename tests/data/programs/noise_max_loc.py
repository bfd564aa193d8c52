# frames: noise
import cv2

def reward(image):
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    lo, hi, lo_at, hi_at = cv2.minMaxLoc(gray)
    return (hi - lo) / 255 + (hi_at[0] - lo_at[0]) / 64
