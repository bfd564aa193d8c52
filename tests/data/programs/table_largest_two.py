# frames: table
import cv2
import numpy as np

def reward(image):
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    _, fg = cv2.threshold(gray, 60, 255, cv2.THRESH_BINARY)
    contours, _ = cv2.findContours(fg, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    big = [c for c in contours if cv2.contourArea(c) > 20]
    if len(big) < 2:
        return 0.0
    big = sorted(big, key=cv2.contourArea, reverse=True)
    c1, c2 = big[0], big[1]
    m1, m2 = cv2.moments(c1), cv2.moments(c2)
    dx = m1["m10"] / m1["m00"] - m2["m10"] / m2["m00"]
    dy = m1["m01"] / m1["m00"] - m2["m01"] / m2["m00"]
    return (dx ** 2 + dy ** 2) ** 0.5 / 64
