// Tasks on shared resources, placed by the rule of efflab.ese.Schedule: no drawing here.

/** The tasks that one waits for where only these overlaps are on, each once, in order. */
export function waitsFor(task, on) {
  const more = Object.entries(task.unless).filter(([overlap]) => !on.includes(overlap)).flatMap(([, names]) => names);
  return [...new Set([...task.after, ...more])];
}

/** Start and end of each task: as soon as its resource is free and all that it waits for have ended. */
export function place(tasks, on) {
  const ends = {};
  const free = {};
  return tasks.map((task) => {
    const after = waitsFor(task, on);
    const start = Math.max(free[task.resource] || 0, ...after.map((name) => ends[name]));
    const end = start + task.cycles;
    ends[task.name] = free[task.resource] = end;
    return { ...task, start, end, after };
  });
}

export const makespan = (slots) => slots.reduce((most, slot) => Math.max(most, slot.end), 0);

/** Share of the time in which a resource works. */
export function utilisation(slots, resource) {
  const busy = slots.filter((slot) => slot.resource === resource).reduce((sum, slot) => sum + slot.cycles, 0);
  return makespan(slots) ? busy / makespan(slots) : 0;
}

/** A chain of tasks that decides the makespan: each starts when the one before it ends. */
export function deciding(slots) {
  const last = makespan(slots);
  const chain = [];
  let at = slots.findIndex((slot) => slot.end === last);
  while (at >= 0) {
    const one = slots[at];
    chain.unshift(one.name);
    const causes = (slot) => slot.end === one.start && (slot.resource === one.resource || one.after.includes(slot.name));
    do at -= 1; while (at >= 0 && !causes(slots[at]));
  }
  return chain;
}

export const resourcesOf = (tasks) => [...new Set(tasks.map((task) => task.resource))];
