export const shapes = {
  vase: {
    body: 'M122 52C124 84 116 98 96 118 66 150 70 214 110 256H190C230 214 234 150 204 118 184 98 176 84 178 52Z',
    mouth: { cx: 150, cy: 52, rx: 28, ry: 6 },
    extra: '',
  },
  bottle: {
    body: 'M134 36C136 88 136 104 122 120 92 146 92 220 112 256H188C208 220 208 146 178 120 164 104 164 88 166 36Z',
    mouth: { cx: 150, cy: 36, rx: 16, ry: 4 },
    extra: '',
  },
  bowl: {
    body: 'M46 138C50 198 88 240 122 246L124 257H176L178 246C212 240 250 198 254 138Z',
    mouth: { cx: 150, cy: 138, rx: 104, ry: 15 },
    extra: '',
  },
  mug: {
    body: 'M84 112C80 160 82 220 92 256H194C204 220 206 160 202 112Z',
    mouth: { cx: 143, cy: 112, rx: 59, ry: 10 },
    extra: 'M196 136C252 128 256 218 194 218',
  },
  jug: {
    body: 'M104 70C112 108 92 128 82 160 74 200 86 236 104 256H190C208 236 220 200 212 160 204 128 184 108 186 62Z',
    mouth: { cx: 145, cy: 66, rx: 41, ry: 8 },
    extra: 'M186 86C256 72 264 178 206 196',
  },
  plate: {
    body: 'M26 206C52 232 96 248 116 250L120 257H180L184 250C204 248 248 232 274 206Z',
    mouth: { cx: 150, cy: 206, rx: 124, ry: 17 },
    extra: '',
  },
} as const;

export interface Piece {
  name: string;
  description: string;
  price: number;
  shape: keyof typeof shapes;
  glaze: 'cobalt' | 'celadon' | 'chalk' | 'iron';
}

export const pieces: Piece[] = [
  {
    name: 'Harbour vase',
    description: 'A round shoulder and a narrow neck, made for three stems. Cobalt over bare clay.',
    price: 86,
    shape: 'vase',
    glaze: 'cobalt',
  },
  {
    name: 'Breakfast bowl',
    description: 'Deep enough for porridge and fruit. It stacks, and goes into the dishwasher.',
    price: 34,
    shape: 'bowl',
    glaze: 'celadon',
  },
  {
    name: 'Two-finger mug',
    description: 'Thin at the lip, heavy at the foot, and it holds a proper 300 ml.',
    price: 28,
    shape: 'mug',
    glaze: 'chalk',
  },
  {
    name: 'Milk jug',
    description: 'Pours without a drip. I tested forty spouts to be able to say that.',
    price: 48,
    shape: 'jug',
    glaze: 'iron',
  },
  {
    name: 'Supper plate',
    description: 'A wide, low rim to keep the sauce in. Sold singly, so sets can grow.',
    price: 42,
    shape: 'plate',
    glaze: 'cobalt',
  },
  {
    name: 'Oil bottle',
    description: 'For the good olive oil. Comes with a cork and a glazed saucer.',
    price: 56,
    shape: 'bottle',
    glaze: 'celadon',
  },
];
