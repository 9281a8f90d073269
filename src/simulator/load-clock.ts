import { civilTime } from '../calendar.ts'
import type { MessageNumbers } from './load-template.ts'

/** DE7, DE12 and DE13 of the load's messages: they change once a second. */
export class LoadClock {
  #second = 0

  /** Writes the time into the numbers when a new second has begun. */
  read(numbers: MessageNumbers): void {
    const nowMs = Date.now()
    const second = Math.floor(nowMs / 1_000)
    if (second === this.#second) return
    this.#second = second
    const utc = new Date(nowMs)
    const dayPart = (utc.getUTCMonth() + 1) * 100 + utc.getUTCDate()
    const timePart = utc.getUTCHours() * 10_000 + utc.getUTCMinutes() * 100 + utc.getUTCSeconds()
    numbers.transmission = dayPart * 1_000_000 + timePart
    const local = civilTime(nowMs)
    numbers.localTime = Number(local.time)
    numbers.localDate = local.date % 10_000
    numbers.date = local.date % 1_000_000
  }
}
