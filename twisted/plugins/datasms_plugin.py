"""Makes ``twistd datasms`` known. Imports nothing of ours: a plugin that fails to import just disappears."""

from twisted.application.service import ServiceMaker

datasms = ServiceMaker("datasms", "datasms_daemon.tap", "Messages to people, over the internet first.", "datasms")
