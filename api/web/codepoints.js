// The service counts Unicode code points; JavaScript strings count UTF-16 units, where an emoji is two. Every offset
// that comes from the service passes through here before it touches a string.

const FIRST_ASTRAL = 0x10000; // code points from here on take two UTF-16 units

/** {start, end} in UTF-16 units of the half-open code point range, or null when the text is too short for it. */
export function utf16Range(text, startPoint, endPoint) {
  if (startPoint < 0 || endPoint < startPoint) return null;
  const start = walk(text, 0, startPoint);
  const end = start === null ? null : walk(text, start, endPoint - startPoint);
  return end === null ? null : { start, end };
}

function walk(text, fromUnit, points) {
  let unit = fromUnit;
  for (let left = points; left > 0; left -= 1) {
    if (unit >= text.length) return null;
    unit += text.codePointAt(unit) >= FIRST_ASTRAL ? 2 : 1;
  }
  return unit;
}
