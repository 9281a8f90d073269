import t from 'tap'
import { Histogram } from '../../bench/histogram.ts'

t.test('percentiles are exact to a hundredth over the whole range', async (t) => {
  for (const scale of [1, 37, 1_000, 250_000]) {
    const histogram = new Histogram()
    for (let value = 1; value <= 1_000; value++) histogram.record(value * scale)
    for (const share of [0.01, 0.5, 0.9, 0.99, 0.999]) {
      const wanted = Math.ceil(share * 1_000) * scale
      const found = histogram.percentile(share)
      t.ok(found >= wanted && found <= wanted * 1.01, `p${share * 100} of ${scale}..${scale * 1_000}: ${found}`)
    }
    t.equal(histogram.percentile(1), 1_000 * scale)
    t.equal(histogram.max, 1_000 * scale)
    t.equal(histogram.count, 1_000)
  }
})

t.test('the first value of each power of two and its neighbours keep their order', async (t) => {
  let last = -1
  for (let power = 0; power < 32; power++) {
    for (const value of [2 ** power - 1, 2 ** power, 2 ** power + 1]) {
      if (value > 0xffff_ffff || value < last) continue
      const histogram = new Histogram()
      histogram.record(value)
      histogram.record(0xffff_ffff)
      const found = histogram.percentile(0.5)
      t.ok(found >= value && found <= value * 1.01 + 1, `${value} is found as ${found}`)
      last = value
    }
  }
})

t.test('an empty histogram says 0, a too large value counts as the largest', async (t) => {
  const histogram = new Histogram()
  t.equal(histogram.percentile(0.99), 0)
  t.equal(histogram.mean, 0)
  histogram.record(1e12)
  histogram.record(-5)
  t.equal(histogram.max, 0xffff_ffff)
  t.equal(histogram.percentile(0.5), 0)
})

t.test('two histograms add up', async (t) => {
  const one = new Histogram()
  const other = new Histogram()
  for (let value = 0; value < 100; value++) one.record(10)
  for (let value = 0; value < 100; value++) other.record(1_000)
  one.add(other)
  t.equal(one.count, 200)
  t.equal(one.percentile(0.5), 10)
  t.ok(one.percentile(0.51) >= 1_000)
  t.equal(one.mean, 505)
})
