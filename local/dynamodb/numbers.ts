/**
 * DynamoDB's numbers: up to 38 significant digits, magnitudes 1E-130 to 9.99E+125, kept as text in one normal
 * form, so that equal numbers are equal strings. Small whole numbers never touch the big arithmetic.
 */

import { Big } from "./dynalite.ts";
import { validationFault } from "./faults.ts";

const MAX_DIGITS = 38;
const MAX_EXPONENT = 125;
const MIN_EXPONENT = -130;

/** Whole numbers in normal form that a double holds exactly. */
const SMALL_WHOLE = /^(?:0|-?[1-9]\d{0,14})$/;

/** The normal form of a number's text. Throws AWS's ValidationException for what is none or out of range. */
export const normalizeNumber = (text: string): string => {
  if (SMALL_WHOLE.test(text)) return text;
  if (text === "") throw validationFault("The parameter cannot be converted to a numeric value");
  let number;
  try {
    number = new Big(text);
  } catch {
    throw validationFault(`The parameter cannot be converted to a numeric value: ${text}`);
  }
  if (number.c[0] === 0) return "0";
  if (number.e > MAX_EXPONENT) {
    throw validationFault(
      "Number overflow. Attempting to store a number with magnitude larger than supported range",
    );
  }
  if (number.e < MIN_EXPONENT) {
    throw validationFault(
      "Number underflow. Attempting to store a number with magnitude smaller than supported range",
    );
  }
  if (number.c.length > MAX_DIGITS) {
    throw validationFault("Attempting to store more than 38 significant digits in a Number");
  }
  return number.toFixed();
};

/** Negative, zero or positive, as `a` is below, at or above `b`. Both in normal form. */
export const compareNumbers = (a: string, b: string): number =>
  SMALL_WHOLE.test(a) && SMALL_WHOLE.test(b) ? Number(a) - Number(b) : new Big(a).cmp(b);

/** `a + b` or `a - b` in normal form. Throws where the result is out of DynamoDB's range. */
export const calculate = (a: string, operator: "+" | "-", b: string): string => {
  if (SMALL_WHOLE.test(a) && SMALL_WHOLE.test(b)) {
    return String(operator === "+" ? Number(a) + Number(b) : Number(a) - Number(b));
  }
  const left = new Big(a);
  return normalizeNumber((operator === "+" ? left.plus(b) : left.minus(b)).toFixed());
};

/** Bytes that a number takes in an item: one for each two digits, one more, one for a minus sign. */
export const numberSize = (text: string): number => {
  const negative = text.startsWith("-") ? 1 : 0;
  const digits = text.replace(/[-.]/g, "").replace(/^0+/, "").replace(/0+$/, "");
  return digits === "" ? 1 : 1 + Math.ceil(digits.length / 2) + negative;
};

const EXPONENT_SHIFT = 200;
const paddedExponent = (exponent: number): string => String(EXPONENT_SHIFT + exponent).padStart(3, "0");

/** Text whose order is the number's order: sign, exponent, digits; for negative ones each in complement. */
export const encodeNumber = (text: string): string => {
  if (text === "0") return "1";
  let digits: string;
  let exponent: number;
  let negative: boolean;
  if (SMALL_WHOLE.test(text)) {
    negative = text.startsWith("-");
    const whole = negative ? text.slice(1) : text;
    exponent = whole.length - 1;
    digits = whole.replace(/0+$/, "");
  } else {
    const number = new Big(text);
    negative = number.s < 0;
    exponent = number.e;
    digits = number.c.join("");
  }
  if (!negative) return `2${paddedExponent(exponent)}${digits}`;
  // A longer negative number is the smaller one, so the end must sort above every digit.
  const complement = Array.from(digits, (digit) => String(9 - Number(digit))).join("");
  return `0${paddedExponent(-exponent)}${complement}~`;
};
