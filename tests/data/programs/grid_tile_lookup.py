# frames: grid
import numpy as np

TILE = 8

def tile_of(mask):
    idx = np.argwhere(mask)
    if idx.shape[0] == 0:
        return None
    y, x = idx.mean(axis=0)
    return int(x // TILE), int(y // TILE)

def reward(image):
    img = image.astype(np.int32)
    red = (img[..., 0] > 200) & (img[..., 1] < 50)
    pos = tile_of(red)
    if pos is None:
        return 0.0
    tx, ty = pos
    return 1.0 if (tx == 6 and ty == 6) else 0.1 * tx / 7
