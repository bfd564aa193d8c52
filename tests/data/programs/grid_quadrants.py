# frames: grid
import numpy as np

def reward(image):
    h, w, _ = image.shape
    red = (image[:, :, 0] > 180) & (image[:, :, 1] < 80)
    quads = [red[:h // 2, :w // 2], red[:h // 2, w // 2:], red[h // 2:, :w // 2], red[h // 2:, w // 2:]]
    counts = [int(np.count_nonzero(q)) for q in quads]
    best = counts.index(max(counts)) if False else int(np.argmax(counts))
    return [0.0, 0.5, 0.25, 1.0][best]
