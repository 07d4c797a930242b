#!/usr/bin/perl
# An SMSC made with Net::SMPP (Debian's libnet-smpp-perl) and the GSM alphabet of Perl's Encode: perl smsc.pl
# Orders and events are those of tests/fakes/smpp_peers.py.

use strict;
use warnings;
use Encode qw(decode encode);
use IO::Select;
use JSON::PP;
use Net::SMPP;
use Time::HiRes qw(time);
use Time::Local qw(timegm);

use constant { RECEIPT => 0x04, UDHI => 0x40, RESERVED_COMMAND => 0xaa };
use constant { RINVPASWD => 0x0e };
use constant STATES => { ENROUTE => 1, DELIVRD => 2, EXPIRED => 3, UNDELIV => 5, REJECTD => 8 };
use constant BINDS => { 0x01 => 'bind_receiver', 0x02 => 'bind_transmitter', 0x09 => 'bind_transceiver' };

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my (%accounts, %name_of);
my $count = 0;

sub say_event {
    my ($event, %fields) = @_;
    print $json->encode({ event => $event, at => int(time * 1000), %fields }), "\n";
}

sub account { return $accounts{ $_[0] } //= { name => $_[0], answers => [], queued => [], base => 0 } }

sub text_of {
    my ($octets, $coding) = @_;
    return decode($coding == 8 ? 'UTF-16BE' : 'gsm0338', $octets, Encode::FB_CROAK);
}

sub octets_of {
    my ($text, $coding) = @_;
    return encode($coding == 8 ? 'UTF-16BE' : 'gsm0338', $text, Encode::FB_CROAK);
}

# UTC ms of a time in SMPP's form, absolute or relative.
sub valid_until {
    my ($year, $month, $day, $hour, $minute, $second, undef, $sign) = unpack '(A2)6 A3 A', $_[0];
    return undef if !defined $sign || $sign eq '';
    return int((time + (($day * 24 + $hour) * 60 + $minute) * 60 + $second) * 1000) if $sign eq 'R';
    return timegm($second, $minute, $hour, $day, $month - 1, 2000 + $year) * 1000;
}

sub id_of {
    my ($account) = @_;
    $count++;
    return sprintf('%X', 0xAB00 + $count) if $account->{base} == 16;
    return $account->{base} == 10 ? 0xAB00 + $count : "perl-$count";
}

sub bound {
    my ($session, $pdu, $kind) = @_;
    my $respond = "${kind}_resp";
    if ($pdu->{password} ne 'secret') {
        $session->$respond(seq => $pdu->{seq}, status => RINVPASWD, system_id => '');
        return;
    }
    my $account = account($pdu->{system_id});
    $name_of{$session} = $account->{name};
    $account->{receiver} = $session if $kind ne 'bind_transmitter';
    $session->$respond(seq => $pdu->{seq}, system_id => 'perl');
    if ($kind ne 'bind_transmitter') { send_text($account, $_) for splice @{ $account->{queued} } }
    say_event('bound', account => $account->{name}, kind => $kind);
}

sub submitted {
    my ($session, $account, $pdu) = @_;
    my $payload = $pdu->{message_payload};
    my $octets = defined $payload ? $payload : $pdu->{short_message};
    my ($udh, $sar);
    if ($pdu->{esm_class} & UDHI) {
        my $length = ord $octets;
        $udh = [ unpack 'H*', substr($octets, 1, $length) ];
        $octets = substr($octets, 1 + $length);
    }
    if (defined $pdu->{sar_total_segments}) {
        my ($total, $number) = map { ord $pdu->{$_} } qw(sar_total_segments sar_segment_seqnum);
        $sar = [ unpack('n', $pdu->{sar_msg_ref_num}), $total, $number ];
    }
    my $how = shift @{ $account->{answers} } // {};
    my $id = $how->{id} // id_of($account);
    say_event(
        'submit',
        account => $account->{name},
        id => "$id",
        source => [ $pdu->{source_addr_ton}, $pdu->{source_addr_npi}, $pdu->{source_addr} ],
        to => [ $pdu->{dest_addr_ton}, $pdu->{dest_addr_npi}, $pdu->{destination_addr} ],
        coding => $pdu->{data_coding},
        text => text_of($octets, $pdu->{data_coding}),
        udh => $udh,
        sar => $sar,
        payload => defined $payload ? JSON::PP::true : JSON::PP::false,
        registered => $pdu->{registered_delivery},
        valid_until => valid_until($pdu->{validity_period}),
    );
    answer($session, $account, $pdu, $id, $how);
}

sub answer {
    my ($session, $account, $pdu, $id, $how) = @_;
    my $seq = $pdu->{seq};
    if ($how->{receipt}) {
        send_receipt($account, { id => $id, to => $pdu->{destination_addr}, stat => $how->{receipt}, by => 'text' });
    }
    return $session->generic_nack(seq => $seq, status => $how->{nack}) if $how->{nack};
    return $session->submit_sm_resp(seq => $seq, status => $how->{status}, message_id => '') if $how->{status};
    if (defined $how->{cut}) {
        my $response = pack 'NNNNZ*', 17 + length $id, 0x80000004, 0, $seq, $id;
        $session->syswrite(substr $response, 0, $how->{cut});
        return hang_up($session);
    }
    unbind($session) if $how->{unbind};
    $session->submit_sm_resp(seq => $seq, message_id => $id);
}

sub unbind {
    my ($session) = @_;
    $session->unbind(async => 1);
}

sub deliver {
    my ($account, %fields) = @_;
    my %numbers = map { $_ => 1 } qw(source_addr_ton source_addr_npi dest_addr_ton dest_addr_npi);
    my $command = delete $fields{command} // 'deliver_sm';
    $account->{receiver}->$command(async => 1, %numbers, %fields);
}

sub send_receipt {
    my ($account, $order) = @_;
    my %fields = (source_addr => $order->{to}, destination_addr => 'datasms', esm_class => RECEIPT);
    if ($order->{by} ne 'text') {
        $fields{receipted_message_id} = $order->{id};
        $fields{message_state} = chr STATES->{ $order->{stat} };
    }
    if ($order->{by} ne 'tlv') {
        my $dates = 'submit date:2611231201 done date:2611231201';
        $fields{short_message} = "id:$order->{id} sub:001 dlvrd:001 $dates stat:$order->{stat} err:000 text:";
    }
    deliver($account, %fields);
}

# The text cut without regard to escape and surrogate pairs, as a phone of no great care does.
sub send_text {
    my ($account, $order) = @_;
    my $octets = octets_of($order->{text}, $order->{coding});
    my @fields = (source_addr => $order->{from}, destination_addr => $order->{to}, data_coding => $order->{coding});
    return deliver($account, @fields, message_payload => $octets) if $order->{by} eq 'payload';
    return deliver($account, @fields, message_payload => $octets, command => 'data_sm') if $order->{by} eq 'data_sm';
    my $room = length $octets <= 140 ? 140 : 134;
    my @parts = unpack "(a$room)*", $octets;
    my ($total, $reference, $number) = (scalar @parts, ++$count & 0xff, 0);
    my @sent;
    for my $part (@parts) {
        $number++;
        if ($total == 1) {
            push @sent, [ short_message => $part ];
        } elsif ($order->{by} eq 'sar') {
            my @place = (sar_msg_ref_num => pack('n', $reference), sar_total_segments => chr $total);
            push @sent, [ @place, sar_segment_seqnum => chr $number, short_message => $part ];
        } else {
            my $udh = pack 'C6', 5, 0, 3, $reference, $total, $number;
            push @sent, [ esm_class => UDHI, short_message => $udh . $part ];
        }
    }
    @sent = reverse @sent if $order->{reversed};
    deliver($account, @fields, @$_) for @sent;
}

my %orders = (
    answers => sub { push @{ $_[0]{answers} }, @{ $_[1]{answers} } },
    base => sub { $_[0]{base} = $_[1]{base} },
    receipt => \&send_receipt,
    queue => sub { push @{ $_[0]{queued} }, $_[1] },
    text => \&send_text,
    enquire => sub { $_[0]{receiver}->enquire_link(async => 1) },
    unbind => sub { unbind($_[0]{receiver}) },
    nonsense => sub { $_[0]{receiver}->syswrite(pack 'NNNN', 16, RESERVED_COMMAND, 0, 9) },
);

my $select = IO::Select->new;

sub hang_up {
    my ($session) = @_;
    $select->remove($session);
    close $session;
    say_event('closed', account => $name_of{$session});
}

sub pdu_received {
    my ($session) = @_;
    local $SIG{__WARN__} = sub { };    # the library warns at each end of a connection
    my $pdu = $session->read_pdu;
    return hang_up($session) if !defined $pdu;
    my ($command, @account) = ($pdu->{cmd}, account => $name_of{$session});
    if (my $kind = BINDS->{$command}) { bound($session, $pdu, $kind) }
    elsif ($command == 0x04) { submitted($session, account($name_of{$session}), $pdu) }
    elsif ($command == 0x80000005) { say_event('answered', @account, status => $pdu->{status}) }
    elsif ($command == 0x80000103) { say_event('answered', @account, status => $pdu->{status}) }
    elsif ($command == 0x15) { $session->enquire_link_resp(seq => $pdu->{seq}); say_event('enquired', @account) }
    elsif ($command == 0x80000015) { say_event('alive', @account) }
    elsif ($command == 0x80000000) { say_event('nacked', @account, status => $pdu->{status}) }
    elsif ($command == 0x06) { $session->unbind_resp(seq => $pdu->{seq}); hang_up($session) }
    elsif ($command == 0x80000006) { say_event('unbound', @account); hang_up($session) }
}

$| = 1;
$SIG{PIPE} = 'IGNORE';
my $listener = Net::SMPP->new_listen('127.0.0.1', port => 0, smpp_version => 0x34) or die "cannot listen: $!";
$select->add($listener, \*STDIN);
say_event('ready', ports => [ $listener->sockport ]);
my $orders = '';
while (1) {
    for my $ready ($select->can_read) {
        if ($ready == $listener) {
            $select->add(scalar $listener->accept);
        } elsif ($ready == \*STDIN) {
            sysread(STDIN, $orders, 65536, length $orders) or exit;
            while ($orders =~ s/^(.*)\n//) {
                my $order = $json->decode($1);
                my $account = account($order->{account});
                $orders{ $order->{do} }->($account, $order);
                say_event('done', order => $order->{do}, account => $account->{name});
            }
        } else {
            pdu_received($ready);
        }
    }
}
