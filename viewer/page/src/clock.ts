// Points in time as people write them, in their own time zone.

const two = (value: number): string => String(value).padStart(2, "0");

/** "14:03:07" */
export function clockText(time: number): string {
  const date = new Date(time * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "21 Nov" */
export function dayText(time: number): string {
  const date = new Date(time * 1000);
  return `${date.getDate()} ${MONTHS[date.getMonth()]}`;
}

/** "14:03:07", with the day in front where it is not today's, and with its year where that is another. */
export function momentText(time: number, now = Date.now() / 1000): string {
  const year = new Date(time * 1000).getFullYear();
  if (year !== new Date(now * 1000).getFullYear()) return `${dayText(time)} ${year}, ${clockText(time)}`;
  return dayText(time) === dayText(now) ? clockText(time) : `${dayText(time)}, ${clockText(time)}`;
}

/** As a tick of an axis whose ticks are `step` seconds apart. */
export function tickText(time: number, step: number): string {
  if (step >= 86_400) return dayText(time);
  const clock = clockText(time);
  if (clock === "00:00:00") return dayText(time);
  return step >= 60 ? clock.slice(0, 5) : clock;
}

/** What an <input type="datetime-local"> holds. */
export function inputText(time: number): string {
  const date = new Date(time * 1000);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${clockText(time)}`;
}

/** Seconds since the epoch, or null where the text is no time. */
export function inputTime(text: string): number | null {
  const ms = /^\d{4,6}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(text) ? new Date(text).getTime() : NaN;
  return Number.isFinite(ms) && ms > 0 ? Math.floor(ms / 1000) : null;
}
