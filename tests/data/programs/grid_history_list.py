# frames: grid
import numpy as np

class Mover:
    def __init__(self):
        self.history = []

    def reward(self, image):
        red = (image[:, :, 0].astype(int) - image[:, :, 1].astype(int)) > 100
        red = red & (image[:, :, 2] < 60)
        ys, xs = np.where(red)
        if len(xs) == 0:
            return 0.0
        self.history.append((float(xs.mean()), float(ys.mean())))
        if len(self.history) < 2:
            return 0.0
        (x0, y0), (x1, y1) = self.history[-2], self.history[-1]
        return abs(x1 - x0) + abs(y1 - y0)
