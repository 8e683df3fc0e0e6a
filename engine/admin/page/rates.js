// Counters that only grow, read from time to time, as numbers a second.
export class Rates {
  #before = new Map(); // by name: {value, at, rate}

  // of is how fast the counter grew since it was read last; NaN the first time, and when it began anew.
  of(name, value, at) {
    const before = this.#before.get(name);
    let rate = NaN;
    if (before && at > before.at && value >= before.value) rate = ((value - before.value) * 1000) / (at - before.at);
    this.#before.set(name, { value, at });
    return rate;
  }

  clear() {
    this.#before.clear();
  }
}
