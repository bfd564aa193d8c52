# frames: table
import cv2
import numpy as np

class BlockMover(object):
    def __init__(self):
        self.positions = {}
        self.total = 0.0

    def locate(self, hsv, lo, hi):
        mask = cv2.inRange(hsv, np.array(lo), np.array(hi))
        m = cv2.moments(mask, True)
        if m["m00"] < 4:
            return None
        return (m["m10"] / m["m00"], m["m01"] / m["m00"])

    def reward(self, frame):
        hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
        step = 0.0
        for name, lo, hi in [("red", (0, 120, 120), (8, 255, 255)), ("blue", (100, 80, 80), (115, 255, 255))]:
            here = self.locate(hsv, lo, hi)
            if here is None:
                continue
            if name in self.positions:
                old = self.positions[name]
                step += abs(here[0] - old[0]) + abs(here[1] - old[1])
            self.positions[name] = here
        self.total += step
        return step
