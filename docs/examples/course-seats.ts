// #region events
import { appendTo, boundary, decision, defineEvents, event, openBook, refuse } from 'daybook'
import { memory } from 'daybook/memory'
import { z } from 'zod'

const enrolment = z.object({ course: z.string(), student: z.string() })
const tags = ({ course, student }: z.infer<typeof enrolment>) => [`course:${course}`, `student:${student}`]

const courseEvents = defineEvents({
  StudentEnrolled: event(enrolment, { tags }),
  StudentLeft: event(enrolment, { tags }),
})
// #endregion

// #region boundaries
const seats = boundary('seats', {
  events: courseEvents,
  initialState: { taken: 0 },
  evolve: {
    StudentEnrolled: ({ taken }) => ({ taken: taken + 1 }),
    StudentLeft: ({ taken }) => ({ taken: taken - 1 }),
  },
})

const courses = boundary('courses', {
  events: courseEvents,
  initialState: { joined: [] as string[] },
  evolve: {
    StudentEnrolled: ({ joined }, { course }) => ({ joined: [...joined, course] }),
    StudentLeft: ({ joined }, { course }) => ({ joined: joined.filter((name) => name !== course) }),
  },
})
// #endregion

// #region decision
const enrol = decision('enrol', {
  reads: ({ course, student }: { course: string; student: string }) => ({
    seats: seats.matching({ tags: [`course:${course}`] }),
    courses: courses.matching({ tags: [`student:${student}`] }),
  }),
  decide: ({ seats, courses }, { course, student }) => {
    if (seats.state.taken >= 2) return refuse('CourseFull')
    if (courses.state.joined.includes(course)) return refuse('AlreadyEnrolled')
    if (courses.state.joined.length >= 3) return refuse('TooManyCourses', { joined: courses.state.joined })
    return [appendTo(`enrolment-${student}`, courseEvents.StudentEnrolled({ course, student }))]
  },
})
// #endregion

// #region use
await using book = await openBook({ store: memory() })

const outcomes = await Promise.all(
  ['ada', 'grace', 'edsger'].map((student) => book.execute(enrol({ course: 'logic', student }))),
)
console.log(outcomes.map(({ refused }) => refused?.reason ?? 'enrolled'))
// #endregion
