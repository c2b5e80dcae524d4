"""A corrector for the planted mistake: it says what the tool said, and leaves everything else alone."""

from butfor.cache.call import Call, Completion, answer


class Corrector:
    """Puts 2,102,650 in the place of 3,000,000."""

    def complete(self, call: Call) -> Completion:
        """The corrected message, or that there is nothing to correct."""
        said = call.messages[-1].text.partition("<message>\n")[2].partition("\n</message>")[0]
        return answer(said.replace("3,000,000", "2,102,650") if "3,000,000" in said else "NOTHING TO CORRECT")


corrector = Corrector()
